// Bundles the server, straight from the sources, into one file that starts fast.
import { copyFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { root, sources, stateOf, whenChanged } from "./project.mjs"

const directory = join(root, "apps/server/dist")

/** The bundled server. */
export const bundle = join(directory, "bulkhead.js")

// platform-node loads undici for a client that nothing here uses; that would take a sixth of the time to start.
const withoutUndici = {
  name: "without-undici",
  setup(build) {
    build.onResolve({ filter: /^undici$/ }, ({ importer }) =>
      importer.includes("platform-node") ? { path: "undici", namespace: "nothing" } : undefined
    )
    build.onLoad({ filter: /./, namespace: "nothing" }, () => ({ contents: "module.exports = {}" }))
  }
}

const build = async () => {
  const esbuild = await import("esbuild")
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: [join(root, "apps/server/src/main.ts")],
    outfile: bundle,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["bulkhead-source"],
    // Some dependencies are CommonJS and require Node's own modules.
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'
    },
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    plugins: [withoutUndici],
    logLevel: "warning"
  })
  // Its service process would live as long as the server.
  await esbuild.stop()
  // The host reads these beside its own module.
  const host = join(root, "packages/host/src")
  for (const name of readdirSync(host).filter((name) => name.endsWith(".pl"))) {
    copyFileSync(join(host, name), join(directory, name))
  }
}

/** Bundles if a source, a dependency or the bundler's settings changed since the last time. */
export const ensureBundle = () =>
  whenChanged("bundle", {
    from: stateOf([...sources(), join(root, "pnpm-lock.yaml"), fileURLToPath(import.meta.url)]),
    make: build,
    product: bundle
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) await ensureBundle()
