import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // Loading Effect anew for each file takes as long as running the tests of it.
    isolate: false,
    projects: [
      "packages/*/vitest.config.ts",
      "apps/*/vitest.config.ts",
      "examples/vitest.config.ts",
      "scripts/vitest.config.ts"
    ]
  }
})
