import { Console, Effect, Option, Schema } from "effect"
import * as AdmissionCost from "./AdmissionCost.js"
import * as Checkout from "./Checkout.js"
import * as Fairness from "./Fairness.js"
import * as Machine from "./Machine.js"
import { MeasurementFailure } from "./Measurement.js"
import { type Alone, type Group, groups, type Options } from "./Options.js"
import * as QueueMemory from "./QueueMemory.js"
import * as RealSandboxes from "./RealSandboxes.js"
import * as ServiceOnMock from "./ServiceOnMock.js"

const failed = (directory: string, group: Alone) => (error: { readonly message: string }) =>
  new MeasurementFailure({
    message: `the bench of ${directory} gave no result for --alone ${group}: ${error.message}`
  })

/** Something that is measured in a process of its own, so that no other's heap and compiled code are in it. */
const alone = <A, I>(
  group: Alone,
  what: string,
  result: Schema.Schema<A, I>,
  measure: (options: Options) => Effect.Effect<A, MeasurementFailure>
) => {
  const Text = Schema.parseJson(result)
  return {
    /** Has it measured. */
    found: Effect.fnUntraced(
      function* (options: Options) {
        yield* Console.error(`Measuring ${what} …`)
        const text = yield* Checkout.measureAlone(Checkout.ours, group, options)
        return yield* Schema.decode(Text)(text)
      },
      Effect.mapError(failed(Checkout.ours, group))
    ),
    /** Measures it in that process, and gives the result as text for whoever started that. */
    tell: (options: Options) =>
      Effect.flatMap(measure(options), (found) => Effect.orDie(Schema.encode(Text)(found)))
  }
}

const measurements = {
  throughput: alone(
    "throughput",
    "the service's throughput on mock sandboxes",
    ServiceOnMock.Result,
    ServiceOnMock.throughput
  ),
  overhead: alone(
    "overhead",
    "what the service adds to one execution",
    ServiceOnMock.Result,
    ServiceOnMock.overhead
  ),
  queue: alone("queue", "the memory of those who wait", QueueMemory.Result, QueueMemory.measure),
  admission: alone("admission", "the cost of admission", AdmissionCost.Result, AdmissionCost.measure),
  fairness: alone("fairness", "a noisy user's neighbour", Fairness.Result, Fairness.measure)
}

/** Measures one group in this very process, and gives what it found as text. */
export const tell = (group: Alone, options: Options) => measurements[group].tell(options)

/** Measures what is asked for, one thing after the other. */
export const run = Effect.fn("Bench.run")(function* (options: Options) {
  const machine = yield* Machine.facts
  const wanted = Option.match(options.only, { onNone: () => groups, onSome: (group) => [group] })
  const isWanted = (group: Group) => wanted.includes(group)
  const when = <A, E, R>(isAsked: boolean, measure: Effect.Effect<A, E, R>) =>
    isAsked ? measure : Effect.succeed(undefined)
  const sandboxes = yield* when(isWanted("sandboxes"), RealSandboxes.measure(options))
  const found = yield* Effect.all({
    throughput: when(isWanted("throughput"), measurements.throughput.found(options)),
    overhead: when(isWanted("overhead"), measurements.overhead.found(options)),
    queue: when(isWanted("queue"), measurements.queue.found(options)),
    admission: when(isWanted("admission"), measurements.admission.found(options)),
    fairness: when(isWanted("fairness"), measurements.fairness.found(options))
  })
  return {
    sandboxes,
    ...found,
    machine,
    loadAfter: (yield* Machine.facts).load
  }
})

/** What a run found, and nothing of what was not asked for. Every time is in milliseconds unless its name says otherwise. */
export type Results = Effect.Effect.Success<ReturnType<typeof run>>
