import { NodeHttpClient } from "@effect/platform-node"
import { Chunk, Deferred, Duration, Effect, Either, Layer, Ref, Schedule, Stream } from "effect"
import * as Load from "./load/Load.js"
import { type Latency, latency, MeasurementFailure } from "./Measurement.js"
import type { Options } from "./Options.js"
import * as ServerUnderTest from "./ServerUnderTest.js"

/** What a server's newcomers feel while it is asked for more executions than it can run. */
export interface Newcomers {
  /** Executions a second that were asked for, each over a connection of its own, and that were run. */
  readonly asked: number
  readonly perSecond: number
  /** Of `/health`, over a connection of its own each time. */
  readonly fresh: Latency
  /** The same over one that is kept. */
  readonly kept: Latency
}

/** A connection is closed after its answer, which `NodeHttpClient.layer` leaves to Node's default. */
const fresh = NodeHttpClient.makeAgentLayer({ keepAlive: false })
const kept = NodeHttpClient.makeAgentLayer({ keepAlive: true, maxSockets: 1 })

/** Asks again and again, a little after each answer, until it is over: also then for the answer that is on its way. */
const healthUntil = (
  over: Deferred.Deferred<void>,
  server: ServerUnderTest.ServerUnderTest,
  agent: Layer.Layer<NodeHttpClient.HttpAgent>
) =>
  Stream.repeatEffectWithSchedule(ServerUnderTest.healthMs(server), Schedule.spaced("50 millis")).pipe(
    Stream.haltWhenDeferred(over),
    Stream.runCollect,
    Effect.map((times) => latency(Chunk.toReadonlyArray(times))),
    Effect.provide(Layer.provide(NodeHttpClient.layerWithoutAgent, agent))
  )

const users = 20

/** Sends executions at a fixed rate, and asks for the server's health meanwhile. */
export const measure = Effect.fn("Newcomers.measure")(
  function* ({ newcomersPerSecond: rate, newcomersSeconds: seconds }: Options) {
    const options = { rate, seconds, users }
    const server = yield* Load.start(options)
    const over = yield* Deferred.make<void>()
    const found = yield* Effect.all(
      {
        load: Effect.timed(Load.arrivals(server, options, yield* Ref.make(0))).pipe(
          Effect.ensuring(Deferred.succeed(over, undefined))
        ),
        fresh: healthUntil(over, server, fresh),
        kept: healthUntil(over, server, kept)
      },
      { concurrency: "unbounded" }
    )
    const [took, answers] = found.load
    const failed = answers.find(({ result }) => Either.isLeft(result))
    if (failed !== undefined)
      return yield* new MeasurementFailure({ message: `newcomers: ${Either.merge(failed.result)}` })
    const newcomers: Newcomers = {
      asked: rate,
      perSecond: answers.length / Duration.toSeconds(took),
      fresh: found.fresh,
      kept: found.kept
    }
    return newcomers
  },
  Effect.scoped,
  Effect.provide(Layer.provide(NodeHttpClient.layerWithoutAgent, fresh))
)
