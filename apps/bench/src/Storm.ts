import { fileURLToPath } from "node:url"
import { BulkheadClient } from "@bulkhead/api"
import { UserId } from "@bulkhead/domain"
import { Command } from "@effect/platform"
import { Chunk, Clock, Duration, Effect, Fiber, Redacted, Schedule, Schema, Stream } from "effect"
import * as Checkout from "./Checkout.js"
import { type Latency, latency, MeasurementFailure } from "./Measurement.js"
import type { Options } from "./Options.js"
import * as ServerUnderTest from "./ServerUnderTest.js"

/** What others feel while a server gets the worst requests there are. */
export interface Felt {
  /** Of `/health`. */
  readonly health: Latency
  /** From an operator's kill to the moment since which no process of the program is left. */
  readonly death: Latency
  /** From the kill to the answer of whoever waited for the execution. */
  readonly kill: Latency
  /** How often each kind of request was sent, and what came of it. */
  readonly answers: typeof Answers.Type
}

const Answers = Schema.Record({
  key: Schema.String,
  value: Schema.Record({ key: Schema.String, value: Schema.Number })
})

const token = "a-token-of-the-bench-alone"
const threads = 4
// Both the sources and the bundle have the script beside them.
const script = fileURLToPath(new URL("./storm.py", import.meta.url))

const failure = (what: string) => (cause: unknown) =>
  new MeasurementFailure({ message: `${what}: ${cause instanceof Error ? cause.message : String(cause)}` })

/** A storm from a process of its own: begins at the first pull, and gives what came of it at the second. */
const begin = ({ url }: ServerUnderTest.ServerUnderTest, durationMs: number) => {
  const { hostname, port } = new URL(url)
  return Command.make("/usr/bin/python3", script, hostname, port, String(durationMs), String(threads)).pipe(
    Command.stderr("inherit"),
    Command.streamLines,
    Stream.rechunk(1),
    Stream.toPull,
    Effect.map(
      Effect.mapBoth({ onSuccess: Chunk.unsafeHead, onFailure: () => failure("storm.py")("it ended") })
    )
  )
}

/** Again and again, a little after each other, for so long. */
const collect = <A, E, R>(once: Effect.Effect<A, E, R>, durationMs: number) =>
  Stream.repeatEffectWithSchedule(once, Schedule.spaced("50 millis")).pipe(
    Stream.interruptAfter(durationMs),
    Stream.runCollect,
    Effect.map(Chunk.toReadonlyArray)
  )

const userId = UserId.make("sleeper")

/** Starts a program that sleeps, and kills it once it runs. */
const oneKill = Effect.fnUntraced(
  function* (server: ServerUnderTest.ServerUnderTest) {
    const { admin } = yield* BulkheadClient.make({ url: server.url, token: Redacted.make(token) })
    const asleep = yield* Effect.fork(
      ServerUnderTest.execute(server, { code: "import time; time.sleep(600)", userId })
    )
    const running = yield* admin
      .executions({ urlParams: { userId, state: "running" } })
      .pipe(Effect.delay("50 millis"), Effect.repeat({ until: ({ executions }) => executions.length > 0 }))
    const kills = Effect.forEach(running.executions, ({ executionId }) =>
      admin.kill({ path: { executionId } })
    )
    const askedAt = yield* Clock.currentTimeMillis
    const [took, { executionId, receipt }] = yield* Effect.timed(Effect.zipRight(kills, Fiber.join(asleep)))
    const [started] = yield* admin.logs({ path: { executionId }, urlParams: { event: "program_started" } })
    const diedAt = (started?.timestamp ?? Number.NaN) + (receipt?.deadAtMs ?? Number.NaN)
    return { death: diedAt - askedAt, kill: Duration.toMillis(took) }
  },
  Effect.mapError(failure("a kill"))
)

/** Storms a server, and feels it meanwhile. */
export const feel = Effect.fn("Storm.feel")(function* ({ stormMs }: Options) {
  const server = yield* ServerUnderTest.start(Checkout.ours, "scripts/start.mjs", { ADMIN_API_TOKEN: token })
  const next = yield* begin(server, stormMs)
  // Its messages are made, which takes it a while.
  yield* next
  const { health, kills } = yield* Effect.all(
    { health: collect(ServerUnderTest.healthMs(server), stormMs), kills: collect(oneKill(server), stormMs) },
    { concurrency: "unbounded" }
  )
  const answers = yield* Schema.decode(Schema.parseJson(Answers))(yield* next).pipe(
    Effect.mapError(failure("storm.py"))
  )
  const felt: Felt = {
    health: latency(health),
    death: latency(kills.map(({ death }) => death)),
    kill: latency(kills.map(({ kill }) => kill)),
    answers
  }
  return felt
}, Effect.scoped)
