// `npm run image`: makes everything ready, bundles the builder as the server is bundled, and runs it in this process.
import { cpSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { bundleModule } from "./bundle.mjs"
import { filesIn, root, sources, stateOf, whenChanged } from "./project.mjs"
import { setup } from "./setup.mjs"

const builder = join(root, "apps/image/dist/bulkhead-image.js")
const languages = join(root, "apps/image/languages")

setup()
await whenChanged("image", {
  from: stateOf([
    ...sources(),
    ...filesIn(languages),
    join(root, "pnpm-lock.yaml"),
    fileURLToPath(import.meta.url)
  ]),
  make: async () => {
    await bundleModule("apps/image/src/main.ts", builder)
    const beside = join(dirname(builder), "languages")
    rmSync(beside, { recursive: true, force: true })
    cpSync(languages, beside, { recursive: true })
  },
  product: builder
})
await import(pathToFileURL(builder).href)
