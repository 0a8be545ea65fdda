// `npm run build`: installs what is missing, then compiles all packages and bundles the server.
import { ensureBundle } from "./bundle.mjs"
import { run } from "./project.mjs"
import { setupDependencies } from "./setup.mjs"

setupDependencies()
if (!run("npx", ["tsc", "-b"], { show: true })) process.exit(1)
await ensureBundle()
