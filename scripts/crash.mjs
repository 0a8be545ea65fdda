// `npm run crash -- [--kills N] [--seed N] [--first-round N]`: kills the real server that often at random moments,
// starts it again on the same data, and says what it lost.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundleModule, ensureBundle } from "./bundle.mjs"
import { readNumbers } from "./commandLine.mjs"
import { root } from "./project.mjs"
import { setup } from "./setup.mjs"

const {
  "first-round": firstRound,
  kills,
  seed
} = readNumbers("usage: npm run crash -- [--kills N] [--seed N] [--first-round N]", {
  kills: { least: 1, otherwise: 200 },
  seed: { least: 0, otherwise: 1 },
  "first-round": { least: 0, otherwise: 0 }
})

setup()
await ensureBundle()

// Beside the server's own bundle, which it starts.
const bundle = join(root, "apps/server/dist/bulkhead-crash.mjs")
await bundleModule("apps/server/test/CrashCommand.ts", bundle)
process.argv.splice(2, process.argv.length, ...[kills, seed, firstRound].map(String))
await import(pathToFileURL(bundle).href)
