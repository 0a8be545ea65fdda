import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as ClusterCrash from "./ClusterCrash.js"

const [rounds = 100, seed = 1] = process.argv.slice(2).map(Number)

const command = Effect.gen(function* () {
  const summary = yield* ClusterCrash.run({ rounds, seed, say: Console.log })
  yield* Console.log(`seed ${seed}: ${ClusterCrash.describe(summary)}`)
  for (const violation of summary.violations) yield* Console.error(`  ${violation}`)
  if (summary.violations.length > 0) process.exitCode = 1
}).pipe(Effect.scoped)

NodeRuntime.runMain(command)
