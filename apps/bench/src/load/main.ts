import { NodeContext, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as Machine from "../Machine.js"
import { MeasurementFailure } from "../Measurement.js"
import * as Load from "./Load.js"
import * as Summary from "./Summary.js"

const [rate = 50, seconds = 30, users = 20] = process.argv.slice(2).map(Number)

const main = Effect.gen(function* () {
  const { cores, kernel, load, node, processor } = yield* Machine.facts
  yield* Console.log(`${cores} × ${processor}, Linux ${kernel}, Node ${node}, load ${load[0]?.toFixed(1)}`)
  yield* Console.log(`${rate} executions a second for ${seconds} s, from ${users} users`)
  const server = yield* Load.start({ rate, seconds, users })
  const { missed, text } = Summary.of(yield* Load.run(server, { rate, seconds, users }))
  yield* Console.log(text)
  if (missed.length > 0) return yield* new MeasurementFailure({ message: `${missed.length} goals missed` })
}).pipe(Effect.scoped)

main.pipe(
  Effect.provide([NodeContext.layer, NodeHttpClient.layer]),
  Effect.tapError(({ message }) => Console.error(`load: ${message}`)),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
