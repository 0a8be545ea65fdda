import { NodeHttpClient } from "@effect/platform-node"
import { Console, Effect, Option, Schema } from "effect"
import * as AdmissionCost from "./AdmissionCost.js"
import * as Checkout from "./Checkout.js"
import * as ClusterCost from "./cluster/ClusterCost.js"
import * as Fairness from "./Fairness.js"
import * as FullQueue from "./FullQueue.js"
import * as ImageStarts from "./ImageStarts.js"
import * as Interleave from "./Interleave.js"
import * as Machine from "./Machine.js"
import { MeasurementFailure } from "./Measurement.js"
import * as Newcomers from "./Newcomers.js"
import { type Alone, type Group, groups, type Options } from "./Options.js"
import * as QueueMemory from "./QueueMemory.js"
import * as RealSandboxes from "./RealSandboxes.js"
import * as ServiceOnMock from "./ServiceOnMock.js"
import * as Storm from "./Storm.js"
import * as StreamLatency from "./StreamLatency.js"
import * as UploadMemory from "./UploadMemory.js"

/** Why, the process itself has told. */
const failed = (directory: string, group: Alone) => () =>
  new MeasurementFailure({ message: `the bench of ${directory} gave no result for --alone ${group}` })

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

const MockRows = Schema.Array(Interleave.Measured.pick("p50", "perSecond"))

/** A number of the service on the mock that is compared with that of another checkout. */
interface Comparison {
  readonly group: Alone
  readonly what: string
  /** Of the provider directly and of the whole service. */
  readonly numberOf: (rows: typeof MockRows.Type) => number
}

const comparisons: ReadonlyArray<Comparison> = [
  {
    group: "throughput",
    what: "the service on the mock: executions a second",
    numberOf: ([, service]) => service?.perSecond.median ?? Number.NaN
  },
  {
    group: "overhead",
    what: "the service adds to the median execution: milliseconds",
    numberOf: ServiceOnMock.added
  }
]

/** Asks the benches of both checkouts in turns. Each turn is a process of its own. */
const compareOnMock = Effect.fnUntraced(function* (
  theirs: string,
  { group, numberOf, what }: Comparison,
  { quick, rounds }: Options
) {
  yield* Console.error(`Measuring ${group}, in turns with ${theirs} …`)
  const sides = [
    { isOurs: true, directory: Checkout.ours },
    { isOurs: false, directory: theirs }
  ]
  const found = yield* Effect.forEach(Interleave.plan(sides, [1], rounds), ({ row: { directory, isOurs } }) =>
    Checkout.measureAlone(directory, group, { quick, rounds: 1 }).pipe(
      Effect.flatMap(Schema.decode(Schema.parseJson(MockRows))),
      Effect.mapBoth({
        onSuccess: (rows) => ({ isOurs, value: numberOf(rows) }),
        onFailure: failed(directory, group)
      })
    )
  )
  const numbersOf = (side: boolean) => found.filter(({ isOurs }) => isOurs === side).map(({ value }) => value)
  return Interleave.versus(what, numbersOf(true), numbersOf(false))
})

const stormed = Effect.fnUntraced(function* (options: Options) {
  yield* Console.error("Measuring what others feel of the worst requests …")
  const felt = yield* Storm.feel(options)
  yield* Console.error("Measuring the memory of the largest requests …")
  return { felt, fullQueues: yield* FullQueue.measure(options) }
}, Effect.provide(NodeHttpClient.layer))

const greeted = (options: Options) =>
  Effect.zipRight(
    Console.error("Measuring what newcomers feel of many executions …"),
    Newcomers.measure(options)
  )
const streamed = (options: Options) =>
  Effect.zipRight(Console.error("Measuring how late streams are …"), StreamLatency.measure(options))
const started = (options: Options) =>
  Effect.zipRight(Console.error("Measuring starts on an image …"), ImageStarts.measure(options))
const uploaded = (options: Options) =>
  Effect.zipRight(Console.error("Measuring the memory of uploads …"), UploadMemory.measure(options))
const clustered = (options: Options) =>
  Console.error("Measuring what several replicas cost …").pipe(
    Effect.zipRight(ClusterCost.measure(options)),
    Effect.tap((found) =>
      Effect.when(
        Console.error("Not measured: PostgreSQL is not installed; as root, run: apt-get install postgresql"),
        () => found === undefined
      )
    )
  )

/** Measures what is asked for, one thing after the other. */
export const run = Effect.fn("Bench.run")(function* (options: Options) {
  const machine = yield* Machine.facts
  const wanted = Option.match(options.only, { onNone: () => groups, onSome: (group) => [group] })
  const isWanted = (group: Group) => wanted.includes(group)
  const theirs = yield* Effect.transposeMapOption(options.against, (directory) =>
    Checkout.theirs(directory, wanted)
  )
  const when = <A, E, R>(isAsked: boolean, measure: Effect.Effect<A, E, R>) =>
    isAsked ? measure : Effect.succeed(undefined)
  const sandboxes = yield* when(isWanted("sandboxes"), RealSandboxes.measure(options, theirs))
  const images = yield* when(isWanted("images"), started(options))
  const storm = yield* when(isWanted("storm"), stormed(options))
  const newcomers = yield* when(isWanted("newcomers"), greeted(options))
  const stream = yield* when(isWanted("stream"), streamed(options))
  const uploads = yield* when(isWanted("uploads"), uploaded(options))
  const cluster = yield* when(isWanted("cluster"), clustered(options))
  const isAlone = Option.isNone(theirs)
  const found = yield* Effect.all({
    throughput: when(isWanted("throughput") && isAlone, measurements.throughput.found(options)),
    overhead: when(isWanted("overhead") && isAlone, measurements.overhead.found(options)),
    queue: when(isWanted("queue"), measurements.queue.found(options)),
    admission: when(isWanted("admission"), measurements.admission.found(options)),
    fairness: when(isWanted("fairness"), measurements.fairness.found(options))
  })
  const against = yield* Effect.transposeMapOption(theirs, (directory) =>
    Effect.map(
      Effect.forEach(
        comparisons.filter(({ group }) => isWanted(group)),
        (comparison) => compareOnMock(directory, comparison, options)
      ),
      (onMock) => ({ directory, numbers: [...(sandboxes?.against ?? []), ...onMock] })
    )
  )
  return {
    sandboxes: sandboxes?.costs,
    storm,
    newcomers,
    stream,
    uploads,
    cluster,
    images,
    ...found,
    against: Option.getOrUndefined(against),
    machine,
    loadAfter: (yield* Machine.facts).load
  }
})

/** What a run found of what was asked for. Every time is in milliseconds unless its name says otherwise. */
export type Results = Effect.Effect.Success<ReturnType<typeof run>>
