// `npm run bench`: makes everything ready, bundles the bench as the server is bundled, and runs it in this very process.
import { copyFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { ensureBundle } from "./bundle.mjs"
import { root, sources, stateOf, whenChanged } from "./project.mjs"
import { setup } from "./setup.mjs"

const app = join(root, "apps/bench")
const bench = join(app, "dist/bulkhead-bench.js")

const build = async () => {
  const esbuild = await import("esbuild")
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: [join(app, "src/main.ts")],
    outfile: bench,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["bulkhead-source"],
    // Some dependencies are CommonJS and require Node's own modules.
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'
    },
    legalComments: "none",
    logLevel: "warning"
  })
  // Its service process would live as long as the bench.
  await esbuild.stop()
  // The spawner of its own, and what the host reads beside its own module.
  for (const from of [join(app, "src"), join(root, "packages/host/src")]) {
    for (const name of readdirSync(from).filter((name) => name.endsWith(".pl"))) {
      copyFileSync(join(from, name), join(app, "dist", name))
    }
  }
}

await setup()
await ensureBundle()
await whenChanged("bench", {
  from: stateOf([...sources(), join(root, "pnpm-lock.yaml"), fileURLToPath(import.meta.url)]),
  make: build,
  product: bench
})
await import(pathToFileURL(bench).href)
