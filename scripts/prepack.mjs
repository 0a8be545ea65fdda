// Before a package is packed: builds it.
import { build } from "./pack.mjs"
import { setupDependencies } from "./setup.mjs"

setupDependencies()
build([process.cwd()])
