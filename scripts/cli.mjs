// `bulkhead`: makes everything ready that the command line needs, then runs it in this very process.
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { bundleModule } from "./bundle.mjs"
import { root, sources, stateOf, whenChanged } from "./project.mjs"
import { setupDependencies } from "./setup.mjs"

const commandLine = join(root, "apps/cli/dist/bulkhead-cli.js")

/** Bundles the command line if what it is made of changed since the last time. */
const ensureCommandLine = () =>
  whenChanged("cli", {
    from: stateOf([...sources(), join(root, "pnpm-lock.yaml"), fileURLToPath(import.meta.url)]),
    make: () => bundleModule("apps/cli/src/main.ts", commandLine),
    product: commandLine
  })

// stdout is the command's.
const { log } = console
console.log = console.error
setupDependencies()
await ensureCommandLine()
console.log = log
await import(pathToFileURL(commandLine).href)
