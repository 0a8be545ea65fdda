// `npm run backup-check -- FILE`: says whether a copy of `bulkhead.db` can be restored from, without touching it.
import { pathToFileURL } from "node:url"
import { bundle, ensureBundle } from "./bundle.mjs"
import { setup } from "./setup.mjs"

setup()
await ensureBundle()
process.argv.splice(2, 0, "backup-check")
await import(pathToFileURL(bundle).href)
