// `pnpm crash [--kills N] [--seed N] [--first-round N]`: kills the real server that often at random moments, starts it again on the same
// data, and says what it had lost.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { ensureBundle } from "./bundle.mjs"
import { fail, root } from "./project.mjs"
import { setup } from "./setup.mjs"

const usage = "usage: pnpm crash [--kills N] [--seed N] [--first-round N]"

const wholeNumber = (name, text, least) => {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value) && value >= least && value <= 2 ** 32) return value
  return fail(`--${name}: expected a whole number from ${least} to 4294967296, got '${text}'\n${usage}`)
}

const readArguments = () => {
  try {
    const args = process.argv.slice(2).filter((argument) => argument !== "--")
    const text = { type: "string" }
    return parseArgs({ args, options: { kills: text, seed: text, "first-round": text } }).values
  } catch (error) {
    return fail(`${error.message.split("\n")[0]}\n${usage}`)
  }
}

const {
  "first-round": firstRoundText = "0",
  kills: killsText = "200",
  seed: seedText = "1"
} = readArguments()
const kills = wholeNumber("kills", killsText, 1)
const seed = wholeNumber("seed", seedText, 0)
const firstRound = wholeNumber("first-round", firstRoundText, 0)

await setup()
await ensureBundle()

// Beside the server's own bundle, which it starts.
const bundle = join(root, "apps/server/dist/bulkhead-crash.mjs")
const esbuild = await import("esbuild")
await esbuild.build({
  absWorkingDir: root,
  entryPoints: [join(root, "apps/server/test/CrashCommand.ts")],
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
  logLevel: "warning"
})
await esbuild.stop()
process.argv.splice(2, process.argv.length, ...[kills, seed, firstRound].map(String))
await import(pathToFileURL(bundle).href)
