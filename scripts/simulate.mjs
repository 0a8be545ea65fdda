// `npm run simulate -- --seeds N [--first-seed N]`: plays that many histories against the real service, and stops at
// the first that breaks an invariant, with the shortest history it can find.
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { bundleModule } from "./bundle.mjs"
import { readNumbers } from "./commandLine.mjs"
import { root, sources, stateOf, whenChanged } from "./project.mjs"
import { setupDependencies } from "./setup.mjs"

const { "first-seed": first, seeds } = readNumbers("usage: npm run simulate -- --seeds N [--first-seed N]", {
  seeds: { least: 1 },
  "first-seed": { least: 0, otherwise: 1 }
})

setupDependencies()

const bundle = join(root, "packages/testing/dist/bulkhead-simulation.mjs")
await whenChanged("simulation", {
  from: stateOf([...sources(), join(root, "pnpm-lock.yaml"), fileURLToPath(import.meta.url)]),
  make: () => bundleModule("packages/testing/src/index.ts", bundle),
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
