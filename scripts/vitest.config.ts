import { defineConfig, mergeConfig } from "vitest/config"
import shared from "../vitest.shared.js"

export default mergeConfig(
  shared,
  defineConfig({ test: { name: "scripts", include: ["test/**/*.test.mjs"], testTimeout: 120_000 } })
)
