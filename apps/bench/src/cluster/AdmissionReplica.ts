import { randomUUID } from "node:crypto"
import { Cluster, SessionId } from "@bulkhead/cluster"
import { ExecutionId, UserId } from "@bulkhead/domain"
import { Admission, Limits, LimitsInForce, OwnExecutions } from "@bulkhead/sandbox"
import { PostgresStore } from "@bulkhead/store"
import { NodeStream } from "@effect/platform-node"
import { Config, Console, Duration, Effect, Layer, Ref, Stream } from "effect"
import * as ClosedLoop from "../ClosedLoop.js"
import * as Machine from "../Machine.js"
import { MeasurementFailure } from "../Measurement.js"

/** More than are ever asked for at once: nobody waits for a place. */
const places = 1000

/** Users who take turns at asking. */
const users = 100

const nothingRuns = Layer.succeed(OwnExecutions, {
  kill: () => Effect.succeed(false),
  find: () => Effect.succeedNone,
  list: Effect.succeed([]),
  updates: () => Effect.succeedNone
})

const limits = Layer.provideMerge(
  LimitsInForce.layer,
  Limits.layer({ maxConcurrentSandboxes: places, maxSandboxesPerUser: places })
)

const replica = Layer.unwrapEffect(
  Effect.map(Config.redacted("DATABASE_URL"), (url) => {
    const name = randomUUID()
    return Cluster.layer({
      host: "127.0.0.1",
      port: 0,
      version: "0.0.0",
      circuit: Effect.succeed("closed"),
      session: { id: SessionId.make(name), instance: name }
    }).pipe(
      Layer.provide(PostgresStore.layer({ url, maxConnections: 5 })),
      Layer.provide(nothingRuns),
      Layer.provide(limits)
    )
  })
)

/** Gets a permit and gives it back. */
const makeOnce = Effect.gen(function* () {
  const admission = yield* Admission
  const asked = yield* Ref.make(0)
  return Effect.flatMap(
    Ref.getAndUpdate(asked, (count) => count + 1),
    (count) => {
      const who = {
        executionId: ExecutionId.make(`exec_${count}`),
        userId: UserId.make(`user${count % users}`)
      }
      return Effect.mapError(
        admission.withPermit(who, () => Effect.void, Effect.void),
        ({ message }) => new MeasurementFailure({ message })
      )
    }
  )
})

/**
 * Joins the replicas on `DATABASE_URL`, and for each line of stdin, a concurrency and milliseconds, gets permits for so
 * long. Answers with a line of JSON, or with why it cannot.
 */
export const run = Effect.gen(function* () {
  const once = yield* makeOnce
  yield* once
  yield* NodeStream.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      const [concurrency = 1, milliseconds = 0] = line.split(" ").map(Number)
      const loop = ClosedLoop.run(once, concurrency, Duration.millis(milliseconds))
      return Machine.withCpuMs(loop, Machine.ownCpuMs).pipe(
        Effect.merge,
        Effect.map((found) => ("message" in found ? { error: found.message } : found)),
        Effect.flatMap((found) => Console.log(JSON.stringify(found)))
      )
    })
  )
}).pipe(Effect.provide(replica), Effect.scoped)
