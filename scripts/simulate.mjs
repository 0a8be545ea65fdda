// `pnpm simulate --seeds N [--first-seed N]`: plays that many histories against the real service, and stops at the first that breaks an
// invariant, with the shortest history it can find.
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { fail, root, sources, stateOf, whenChanged } from "./project.mjs"

const usage = "usage: pnpm simulate --seeds N [--first-seed N]"

const wholeNumber = (name, text, least) => {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value) && value >= least && value <= 2 ** 32) return value
  return fail(`--${name}: expected a whole number from ${least} to 4294967296, got '${text}'\n${usage}`)
}

const readArguments = () => {
  try {
    const args = process.argv.slice(2).filter((argument) => argument !== "--")
    const { values } = parseArgs({
      args,
      options: { seeds: { type: "string" }, "first-seed": { type: "string" } }
    })
    return values
  } catch (error) {
    return fail(`${error.message.split("\n")[0]}\n${usage}`)
  }
}

const { "first-seed": firstText = "1", seeds: seedsText } = readArguments()
if (seedsText === undefined) fail(`--seeds is missing\n${usage}`)
const seeds = wholeNumber("seeds", seedsText, 1)
const first = wholeNumber("first-seed", firstText, 0)

const bundle = join(root, "packages/testing/dist/bulkhead-simulation.mjs")
await whenChanged("simulation", {
  from: stateOf([...sources(), join(root, "pnpm-lock.yaml"), fileURLToPath(import.meta.url)]),
  make: async () => {
    const esbuild = await import("esbuild")
    await esbuild.build({
      absWorkingDir: root,
      entryPoints: [join(root, "packages/testing/src/index.ts")],
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
  },
  product: bundle
})
const { Simulation, SimulationShrink } = await import(pathToFileURL(bundle).href)

const startedAt = performance.now()
let shownAt = startedAt
let executions = 0

const progress = (played) => {
  const perSeed = (performance.now() - startedAt) / played
  return `${played} of ${seeds} seeds, ${executions} executions, ${perSeed.toFixed(1)} ms a seed`
}

for (let played = 0; played < seeds; played++) {
  const outcome = Simulation.simulate(first + played)
  executions += outcome.ended
  if (outcome.violation) {
    console.error(`${progress(played + 1)}: failed. Looking for the shortest history ...\n`)
    console.error(Simulation.report(SimulationShrink.shrink(outcome)))
    process.exit(1)
  }
  if (performance.now() - shownAt > 5000) {
    shownAt = performance.now()
    console.log(progress(played + 1))
  }
}
console.log(`${progress(seeds)}: every invariant held`)
