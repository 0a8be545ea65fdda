// `npm run churn -- [--cycles N]`: has an embedded host create, use and kill that many sandboxes, and says what it
// holds before and after; fails where that is not the same. Memory is shown, for you to judge.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundleModule, bundleWithPrograms } from "./bundle.mjs"
import { readNumbers } from "./commandLine.mjs"
import { root } from "./project.mjs"
import { setup } from "./setup.mjs"

const { cycles } = readNumbers("usage: npm run churn -- [--cycles N]", {
  cycles: { least: 1, otherwise: 10_000 }
})

setup()

// Started as it is shipped: one bundle, the guest program beside it.
const directory = join(root, "packages/host/dist/churn")
await bundleWithPrograms("packages/host/test/HostProcess.ts", join(directory, "host.mjs"), [
  "packages/guest/bin"
])
const command = join(directory, "churn.mjs")
await bundleModule("packages/host/test/ChurnCommand.ts", command)
process.argv.splice(2, process.argv.length, directory, String(cycles))
await import(pathToFileURL(command).href)
