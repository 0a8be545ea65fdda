import { BulkheadClient } from "@bulkhead/api"
import { UserId } from "@bulkhead/domain"
import { Effect, Option, Redacted, Ref, Schedule } from "effect"
import * as Checkout from "./Checkout.js"
import * as Machine from "./Machine.js"
import { MeasurementFailure } from "./Measurement.js"
import type { Options } from "./Options.js"
import * as ServerUnderTest from "./ServerUnderTest.js"

/** A server's memory while the largest requests wait, in MiB. */
export interface FullQueue {
  /** MiB of heap that Node.js was told to stay within. None: its default. */
  readonly heapMB: Option.Option<number>
  readonly sent: number
  /** Those that were let in; the others were refused. */
  readonly waiting: number
  readonly idleMB: number
  /** The most that was seen. */
  readonly mostMB: number
}

/** Close to the most that a request may have. */
const largest = { code: "print(1)", files: [{ path: "a.csv", content: "1,2,3,4\n".repeat(900_000) }] }

/** Of several users, since one may not have all. */
const users = 10
const token = "a-token-of-the-bench-alone"

const settings = {
  ADMIN_API_TOKEN: token,
  SANDBOX_MAX_CONCURRENT_SANDBOXES: "1",
  // Longer than the measurement takes.
  SANDBOX_MAX_QUEUE_WAIT: "600"
}

/** Sends the largest requests to a server whose only place is taken, until each waits or is refused. */
const fill = Effect.fnUntraced(function* (heapMB: Option.Option<number>, sent: number) {
  const heap = Option.match(heapMB, {
    onNone: () => ({}),
    onSome: (size) => ({ NODE_OPTIONS: `--max-old-space-size=${size}` })
  })
  const server = yield* ServerUnderTest.start(Checkout.ours, "scripts/start.mjs", { ...settings, ...heap })
  const { admin } = yield* BulkheadClient.make({ url: server.url, token: Redacted.make(token) })
  yield* ServerUnderTest.execute(server, { code: "print(1)" })
  const idleMB = yield* Machine.residentMB(server.pid)
  const most = yield* Ref.make(idleMB)
  const refused = yield* Ref.make(0)
  const weigh = Effect.flatMap(Machine.residentMB(server.pid), (now) =>
    Ref.update(most, (known) => Math.max(known, now))
  )
  yield* Effect.forkScoped(Effect.repeat(weigh, Schedule.spaced("50 millis")))
  yield* Effect.forkScoped(ServerUnderTest.execute(server, { code: "import time; time.sleep(600)" }))
  const metrics = Effect.delay(admin.metrics({}), "50 millis")
  yield* Effect.repeat(metrics, { until: ({ activeExecutions }) => activeExecutions > 0 })
  yield* Effect.forEach(Array(sent).keys(), (at) =>
    ServerUnderTest.execute(server, { ...largest, userId: UserId.make(`user${at % users}`) }).pipe(
      Effect.zipRight(Ref.update(refused, (count) => count + 1)),
      Effect.forkScoped
    )
  )
  const { queuedExecutions: waiting } = yield* Effect.repeat(metrics, {
    until: ({ queuedExecutions }) => Effect.map(Ref.get(refused), (count) => queuedExecutions + count >= sent)
  })
  return { heapMB, sent, waiting, idleMB, mostMB: yield* Ref.get(most) } satisfies FullQueue
}, Effect.scoped)

/** With the default heap and with one of 1 GB. */
export const measure = Effect.fn("FullQueue.measure")(({ largestRequests }: Options) =>
  Effect.forEach([Option.none(), Option.some(1024)], (heapMB) => fill(heapMB, largestRequests)).pipe(
    Effect.mapError(
      ({ message }) => new MeasurementFailure({ message: `a queue of the largest requests: ${message}` })
    )
  )
)
