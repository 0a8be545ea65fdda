// `npm run mcp`: makes everything ready, then speaks MCP over stdio in this very process. stdout is for messages alone.
import { pathToFileURL } from "node:url"
import { bundle, ensureBundle } from "./bundle.mjs"
import { setup } from "./setup.mjs"

console.log = console.error
setup()
await ensureBundle()
process.argv[2] = "mcp"
await import(pathToFileURL(bundle).href)
