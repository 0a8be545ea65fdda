// Measures the store: `node packages/store/bench/run.mjs [millions of events to read among, 10 unless told]`.
import { mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { build } from "esbuild"

// A bundle cannot contain libsql's native part.
const libsqlOutside = {
  name: "libsql-outside",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^libsql$/ }, ({ resolveDir }) => ({
      path: createRequire(`${resolveDir}/`).resolve("libsql"),
      external: true
    }))
}

const directory = mkdtempSync(join(tmpdir(), "store-bench-"))
process.on("exit", () => rmSync(directory, { recursive: true, force: true }))
const outfile = join(directory, "bench.mjs")
await build({
  entryPoints: [fileURLToPath(new URL("StoreBench.ts", import.meta.url))],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  conditions: ["bulkhead-source"],
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'
  },
  external: ["undici", "pg-native"],
  plugins: [libsqlOutside],
  logLevel: "warning"
})
await import(pathToFileURL(outfile).href)
