// Bundles the server, straight from the sources, into one file that starts fast.
import { mkdirSync, readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { replaceFile, root, sources, stateOf, whenChanged } from "./project.mjs"

/** The bundled server. */
export const bundle = join(root, "apps/server/dist/bulkhead.js")

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

/** Bundles a module into one file, straight from the sources, which plugins of esbuild may change. */
export const bundleModule = async (entry, outfile, plugins = []) => {
  const esbuild = await import("esbuild")
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["bulkhead-source"],
    // Native code cannot be bundled; pg looks for an optional native part of its own.
    external: ["libsql", "pg-native"],
    // Some dependencies are CommonJS and require Node's own modules.
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);'
    },
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    plugins: [withoutUndici, ...plugins],
    logLevel: "warning"
  })
  // Its service process would live as long as this one.
  await esbuild.stop()
}

/** Bundles a module, with the programs beside it that its modules start. */
export const bundleWithPrograms = async (entry, outfile, directories) => {
  await bundleModule(entry, outfile)
  for (const directory of directories.map((directory) => join(root, directory))) {
    for (const name of readdirSync(directory).filter((name) => /\.py$|^guest-/.test(name))) {
      replaceFile(join(directory, name), join(dirname(outfile), name))
    }
  }
}

const threadProgram = "packages/artifacts/src/Inspection/InspectionWorker.ts"
const analysisProgram = "packages/analysis/src/AnalysisWorker.ts"

/** What runs TypeScript in sandboxes, the compiler made smaller: each program of it starts by reading that. */
const bundleTypeScript = async (directory) => {
  const esbuild = await import("esbuild")
  mkdirSync(directory, { recursive: true })
  const own = join(root, "packages/typescript/sandbox")
  for (const name of readdirSync(own)) replaceFile(join(own, name), join(directory, name))
  await esbuild.build({
    entryPoints: [join(root, "packages/typescript/node_modules/typescript/lib/typescript.js")],
    outfile: join(directory, "typescript.js"),
    platform: "node",
    format: "cjs",
    minify: true,
    logLevel: "warning"
  })
  await esbuild.stop()
}

/** The operator's page, which the server sends as files. */
const bundleDashboard = async (directory) => {
  const esbuild = await import("esbuild")
  const own = join(root, "apps/dashboard")
  await esbuild.build({
    absWorkingDir: own,
    entryPoints: { dashboard: "src/main.tsx", style: "static/dashboard.css" },
    entryNames: "dashboard",
    outdir: directory,
    bundle: true,
    platform: "browser",
    format: "esm",
    target: "es2023",
    jsx: "automatic",
    jsxImportSource: "preact",
    minify: true,
    legalComments: "none",
    logLevel: "warning"
  })
  await esbuild.stop()
  for (const name of ["index.html", "icon.svg"]) replaceFile(join(own, "static", name), join(directory, name))
}

const bundleServer = async () => {
  await bundleWithPrograms("apps/server/src/main.ts", bundle, ["packages/guest/bin"])
  await bundleModule(threadProgram, join(dirname(bundle), "InspectionWorker.js"))
  await bundleModule(analysisProgram, join(dirname(bundle), "AnalysisWorker.js"))
  await bundleTypeScript(join(dirname(bundle), "typescript"))
  await bundleDashboard(join(dirname(bundle), "page"))
}

const stateOfSources = () =>
  stateOf([...sources(), join(root, "pnpm-lock.yaml"), fileURLToPath(import.meta.url)])

/** The program of the threads that inspect artifacts, for tests, which run the sources. */
const threadBundle = join(root, ".setup/InspectionWorker.js")

const analysisBundle = join(root, ".setup/AnalysisWorker.js")

/** Bundles the programs of threads, for tests: what vitest calls before them. */
export const setup = async () => {
  const from = stateOfSources()
  await whenChanged("inspection", {
    from,
    make: () => bundleModule(threadProgram, threadBundle),
    product: threadBundle
  })
  await whenChanged("analysis", {
    from,
    make: () => bundleModule(analysisProgram, analysisBundle),
    product: analysisBundle
  })
}

/** Bundles if a source, a dependency or the bundler's settings changed since the last time. */
export const ensureBundle = () =>
  whenChanged("bundle", {
    from: stateOfSources(),
    make: bundleServer,
    product: bundle
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) await ensureBundle()
