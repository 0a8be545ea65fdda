import type { ExecutionRequestInput, ExecutionResult } from "@bulkhead/domain"
import { Array as Arr, Clock, Console, Duration, Effect, Either, Fiber, Ref } from "effect"
import * as Checkout from "../Checkout.js"
import * as Machine from "../Machine.js"
import * as ServerUnderTest from "../ServerUnderTest.js"

/** Requests that come whether or not those before them were answered. */
export interface LoadOptions {
  /** Executions a second. */
  readonly rate: number
  readonly seconds: number
  /** Users who take turns at asking. */
  readonly users: number
}

/** One request's end. */
export interface Answer {
  /** From the moment when it was to be sent. */
  readonly latencyMs: number
  readonly result: Either.Either<ExecutionResult, string>
}

/** Starts a server whose queue is as long as the load: what is measured is how fast it is worked off. */
export const start = ({ rate, seconds }: LoadOptions) =>
  ServerUnderTest.start(Checkout.ours, Checkout.serverBundle, {
    ...{ SANDBOX_MAX_QUEUED: String(rate * seconds), SANDBOX_MAX_QUEUED_PER_USER: String(rate * seconds) },
    ...{ SANDBOX_MAX_CONCURRENT_SANDBOXES: "50", SANDBOX_MAX_SANDBOXES_PER_USER: "5" }
  })

/** What `sleeper` is given, in seconds. */
export const sleeperTimeout = 2
const sleepersAtOnce = 2

const execution = (user: string): ExecutionRequestInput => ({
  ...{ code: "print(6 * 7)", language: "python", userId: user }
})
const sleeper: ExecutionRequestInput = {
  ...{ code: "import time; time.sleep(60)", language: "python", userId: "sleeper" },
  timeout: sleeperTimeout
}

const ask = (server: ServerUnderTest.ServerUnderTest, request: ExecutionRequestInput, dueAt: number) =>
  Effect.gen(function* () {
    const result = yield* Effect.either(ServerUnderTest.execute(server, request))
    const answer: Answer = {
      latencyMs: (yield* Clock.currentTimeMillis) - dueAt,
      result: Either.mapLeft(result, ({ message }) => message)
    }
    return answer
  })

/** Requests at a fixed rate, each at its own time. */
export const arrivals = Effect.fnUntraced(function* (
  server: ServerUnderTest.ServerUnderTest,
  { rate, seconds, users }: LoadOptions,
  answered: Ref.Ref<number>
) {
  const startedAt = yield* Clock.currentTimeMillis
  return yield* Effect.forEach(
    Arr.range(0, rate * seconds - 1),
    (index) => {
      const after = (index * 1000) / rate
      return ask(server, execution(`load-${index % users}`), startedAt + after).pipe(
        Effect.delay(Duration.millis(after)),
        Effect.zipLeft(Ref.update(answered, (count) => count + 1))
      )
    },
    { concurrency: "unbounded" }
  )
})

/** Programs that run into their timeout, two at a time, beside the others. */
const sleepers = (server: ServerUnderTest.ServerUnderTest, seconds: number) =>
  Effect.forEach(
    Arr.range(1, sleepersAtOnce * Math.max(1, Math.floor(seconds / (sleeperTimeout + 1)))),
    () => Effect.flatMap(Clock.currentTimeMillis, (now) => ask(server, sleeper, now)),
    { concurrency: sleepersAtOnce }
  )

const progress = Effect.fnUntraced(function* ({ rate, seconds }: LoadOptions, answered: Ref.Ref<number>) {
  const total = rate * seconds
  yield* Console.error(`${yield* Ref.get(answered)} of ${total} executions are answered …`)
})

/** Sends the load to a server. Memory is the server's own, without the sandboxes, at the most while it ran. */
export const run = Effect.fn("Load.run")(function* (
  server: ServerUnderTest.ServerUnderTest,
  options: LoadOptions
) {
  const answered = yield* Ref.make(0)
  const idleMB = yield* Machine.residentMB(server.pid)
  const mostMB = yield* Ref.make(idleMB)
  const weigh = Effect.flatMap(Machine.residentMB(server.pid), (now) =>
    Ref.update(mostMB, (most) => Math.max(most, now))
  )
  const watching = yield* Effect.zipRight(weigh, progress(options, answered)).pipe(
    Effect.delay("2 seconds"),
    Effect.forever,
    Effect.fork
  )
  const [took, [executions, timeouts]] = yield* Effect.all(
    [arrivals(server, options, answered), sleepers(server, options.seconds)],
    { concurrency: 2 }
  ).pipe(Effect.timed)
  yield* Fiber.interrupt(watching)
  yield* weigh
  return {
    ...{ executions, timeouts, idleMB },
    seconds: Duration.toSeconds(took),
    mostMB: yield* Ref.get(mostMB)
  }
})
export type Outcome = Effect.Effect.Success<ReturnType<typeof run>>
