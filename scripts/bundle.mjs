// Bundles the server, straight from the sources, into one file that starts fast.
import { mkdirSync, readdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { programOf } from "./compiled.mjs"
import { fail, replaceFile, root, run, sources, stateOf, whenChanged } from "./project.mjs"

/** The bundled server. */
export const bundle = join(root, "apps/server/dist/bulkhead.js")

// What nothing here uses of what these load, and what takes much of the time to start: platform-node has a client of
// undici, platform all of Swagger's page (whoever shows that imports it by itself), and e2b what builds images.
const unused = [
  { path: "undici", by: "/platform-node/" },
  { path: "./HttpApiSwagger.js", by: "/platform/dist/esm/index.js" },
  { path: "dockerfile-ast", by: "/e2b/" }
]

const withoutUnused = {
  name: "without-unused",
  setup(build) {
    for (const { by, path } of unused)
      build.onResolve({ filter: new RegExp(`^${path}$`) }, ({ importer }) =>
        importer.includes(by) ? { path, namespace: "nothing" } : undefined
      )
    build.onLoad({ filter: /./, namespace: "nothing" }, () => ({ contents: "module.exports = {}" }))
  }
}

/** How one file is written, by the end of its name. */
const formOf = (outfile) =>
  outfile.endsWith(".cjs")
    ? {
        format: "cjs",
        // Node cannot do it here. What is imported so is in the bundle, or Node's own.
        supported: { "dynamic-import": false },
        define: { "import.meta.url": "moduleUrl" },
        banner: { js: '"use strict"; const moduleUrl = require("node:url").pathToFileURL(__filename).href;' }
      }
    : {
        format: "esm",
        // Some dependencies are CommonJS and require Node's own modules.
        banner: {
          js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);'
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
    target: "node20",
    ...formOf(outfile),
    conditions: ["bulkhead-source"],
    // Native code cannot be bundled; pg looks for an optional native part of its own.
    external: ["libsql", "pg-native"],
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    plugins: [withoutUnused, ...plugins],
    logLevel: "warning"
  })
  // Its service process would live as long as this one.
  await esbuild.stop()
}

/**
 * Bundles a program that starts faster: a launcher, what that runs, and what V8 compiled of it here when it was loaded
 * with these words, which begin nothing.
 */
const bundleProgram = async (entry, launcher, words) => {
  const { compiled, path } = programOf(launcher)
  // V8 takes whatever was compiled of a text of the same length.
  rmSync(compiled, { force: true })
  await bundleModule(entry, path)
  await bundleModule("scripts/launcher.mjs", launcher)
  if (!run(process.execPath, [join(root, "scripts/compile.mjs"), launcher, ...words]))
    fail(`${path} cannot be loaded`)
}

/** Puts the programs beside a bundle that its modules start. */
const addPrograms = (outfile, directories) => {
  for (const directory of directories.map((directory) => join(root, directory))) {
    for (const name of readdirSync(directory).filter((name) => /\.py$|^guest-/.test(name))) {
      replaceFile(join(directory, name), join(dirname(outfile), name))
    }
  }
}

/** Bundles a module, with the programs beside it that its modules start. */
export const bundleWithPrograms = async (entry, outfile, directories) => {
  await bundleModule(entry, outfile)
  addPrograms(outfile, directories)
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
  await bundleProgram("apps/server/src/main.ts", bundle, ["backup-check", "none"])
  addPrograms(bundle, ["packages/guest/bin"])
  await bundleModule(threadProgram, join(dirname(bundle), "InspectionWorker.js"))
  await bundleModule(analysisProgram, join(dirname(bundle), "AnalysisWorker.js"))
  await bundleTypeScript(join(dirname(bundle), "typescript"))
  await bundleDashboard(join(dirname(bundle), "page"))
}

const scripts = ["bundle", "compile", "compiled", "launcher"].map((name) => join(root, `scripts/${name}.mjs`))

const stateOfSources = () => stateOf([...sources(), join(root, "pnpm-lock.yaml"), ...scripts])

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

/** Bundles if a source, a dependency, the bundler's settings or Node changed since the last time. */
export const ensureBundle = () =>
  whenChanged("bundle", {
    from: `${stateOfSources()} ${process.version}`,
    make: bundleServer,
    product: bundle
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) await ensureBundle()
