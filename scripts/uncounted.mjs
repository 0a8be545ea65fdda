// `npm run uncounted -- [--memory MB] [--tries N]`: runs each program that is after memory which nobody counts, and says
// how far the machine's available memory fell, seen from outside. As root, on a machine that does little else.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundleModule, ensureBundle } from "./bundle.mjs"
import { readNumbers } from "./commandLine.mjs"
import { root } from "./project.mjs"
import { setup } from "./setup.mjs"

const { memory, tries } = readNumbers("usage: npm run uncounted -- [--memory MB] [--tries N]", {
  memory: { least: 64, otherwise: 256 },
  tries: { least: 1, otherwise: 5 }
})

setup()
await ensureBundle()

const bundle = join(root, "apps/server/dist/bulkhead-uncounted.mjs")
await bundleModule("apps/server/test/UncountedCommand.ts", bundle)
process.argv.splice(2, process.argv.length, String(memory), String(tries))
await import(pathToFileURL(bundle).href)
