import { defineConfig, mergeConfig } from "vitest/config"
import shared from "../../vitest.shared.js"

export default mergeConfig(
  shared,
  defineConfig({ test: { name: "s3", globalSetup: ["test/SwiftServer.ts"], testTimeout: 60_000 } })
)
