import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

export default defineConfig({
  // Tests read the packages' sources, so that no build has to come first.
  ssr: { resolve: { conditions: ["bulkhead-source", "node", "import", "default"] } },
  resolve: { conditions: ["bulkhead-source", "node", "import", "default"] },
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: [fileURLToPath(new URL("vitest.setup.ts", import.meta.url))],
    testTimeout: 30_000
  }
})
