// `npm run bench`: makes everything ready, bundles the bench as the server is bundled, and runs it in this process.
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { bundleWithPrograms, ensureBundle } from "./bundle.mjs"
import { pathWithPostgres } from "./postgres.mjs"
import { root, sources, stateOf, whenChanged } from "./project.mjs"
import { setup } from "./setup.mjs"

const bench = join(root, "apps/bench/dist/bulkhead-bench.js")

setup()
await ensureBundle()
await whenChanged("bench", {
  from: stateOf([...sources(), join(root, "pnpm-lock.yaml"), fileURLToPath(import.meta.url)]),
  make: () => bundleWithPrograms("apps/bench/src/main.ts", bench, ["apps/bench/src", "packages/guest/bin"]),
  product: bench
})
process.env.PATH = pathWithPostgres()
await import(pathToFileURL(bench).href)
