// `npm run cluster-crash -- [--rounds N] [--seed N]`: three servers on one PostgreSQL, of which one after the other is
// killed, stands still or is stopped while all are at work, and what they did amiss.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundleModule, ensureBundle } from "./bundle.mjs"
import { readNumbers } from "./commandLine.mjs"
import { pathWithPostgres } from "./postgres.mjs"
import { root } from "./project.mjs"
import { setupForCluster } from "./setup.mjs"

const { rounds, seed } = readNumbers("usage: npm run cluster-crash -- [--rounds N] [--seed N]", {
  rounds: { least: 1, otherwise: 100 },
  seed: { least: 0, otherwise: 1 }
})

setupForCluster()
await ensureBundle()

// Beside the server's own bundle, which it starts.
const bundle = join(root, "apps/server/dist/bulkhead-cluster-crash.mjs")
await bundleModule("apps/server/test/ClusterCrashCommand.ts", bundle)
process.env.PATH = pathWithPostgres()
process.argv.splice(2, process.argv.length, ...[rounds, seed].map(String))
await import(pathToFileURL(bundle).href)
