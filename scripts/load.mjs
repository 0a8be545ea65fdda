// `npm run load -- [--rate N] [--seconds N] [--users N]`: executions at a fixed rate on a server of its own, and a
// summary; fails where a goal of docs/benchmarks.md is missed. load/sandbox-load-test.js is the same for k6.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundleModule, ensureBundle } from "./bundle.mjs"
import { readNumbers } from "./commandLine.mjs"
import { root } from "./project.mjs"
import { setup } from "./setup.mjs"

const { rate, seconds, users } = readNumbers("usage: npm run load -- [--rate N] [--seconds N] [--users N]", {
  rate: { least: 1, otherwise: 50 },
  seconds: { least: 1, otherwise: 30 },
  users: { least: 1, otherwise: 20 }
})

setup()
await ensureBundle()

const bundle = join(root, "apps/bench/dist/bulkhead-load.mjs")
await bundleModule("apps/bench/src/load/main.ts", bundle)
process.argv.splice(2, process.argv.length, ...[rate, seconds, users].map(String))
await import(pathToFileURL(bundle).href)
