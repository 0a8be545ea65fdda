import { defineConfig, mergeConfig } from "vitest/config"
import shared from "../../vitest.shared.js"

export default mergeConfig(
  shared,
  defineConfig({
    test: {
      name: "server",
      globalSetup: ["../../packages/store/test/PostgresCluster.ts", "../../packages/s3/test/SwiftServer.ts"]
    }
  })
)
