import { defineConfig } from "vitest/config"

export default defineConfig({
  // Tests read the packages' sources, so that no build has to come first.
  ssr: { resolve: { conditions: ["bulkhead-source", "node", "import", "default"] } },
  resolve: { conditions: ["bulkhead-source", "node", "import", "default"] },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000
  }
})
