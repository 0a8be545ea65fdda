// `npm start`: makes everything ready, then runs the server in this very process, so that signals reach it.
import { pathToFileURL } from "node:url"
import { bundle, ensureBundle } from "./bundle.mjs"
import { setup } from "./setup.mjs"

setup()
await ensureBundle()
await import(pathToFileURL(bundle).href)
