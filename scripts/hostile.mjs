// `npm run hostile -- [--hops N] [--ooms N] [--seed N]`: runs that many programs on the real server that hand their
// life on from process to process, and that run out of memory; says which receipts lied, and fails if any did.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundleModule, ensureBundle } from "./bundle.mjs"
import { readNumbers } from "./commandLine.mjs"
import { root } from "./project.mjs"
import { setup } from "./setup.mjs"

const { hops, ooms, seed } = readNumbers("usage: npm run hostile -- [--hops N] [--ooms N] [--seed N]", {
  hops: { least: 0, otherwise: 200 },
  ooms: { least: 0, otherwise: 100 },
  seed: { least: 0, otherwise: 1 }
})

setup()
await ensureBundle()

// Beside the server's own bundle, which it starts.
const bundle = join(root, "apps/server/dist/bulkhead-hostile.mjs")
await bundleModule("apps/server/test/HostileCommand.ts", bundle)
process.argv.splice(2, process.argv.length, ...[hops, ooms, seed].map(String))
await import(pathToFileURL(bundle).href)
