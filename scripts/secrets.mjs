// `npm run secrets -- [--executions N]`: runs that many programs with secrets on the real server, honest and hostile
// ones, and looks for the values everywhere but in the headers of their host; fails if one is anywhere.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundleModule, ensureBundle } from "./bundle.mjs"
import { readNumbers } from "./commandLine.mjs"
import { root } from "./project.mjs"
import { setup } from "./setup.mjs"

const { executions } = readNumbers("usage: npm run secrets -- [--executions N]", {
  executions: { least: 1, otherwise: 200 }
})

setup()
await ensureBundle()

// Beside the server's own bundle, which it starts.
const bundle = join(root, "apps/server/dist/bulkhead-secrets.mjs")
await bundleModule("apps/server/test/SecretsCommand.ts", bundle)
process.argv.splice(2, process.argv.length, String(executions))
await import(pathToFileURL(bundle).href)
