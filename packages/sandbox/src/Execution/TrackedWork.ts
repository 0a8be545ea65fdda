import {
  ExecutionEnded,
  ExecutionExists,
  type ExecutionId,
  ExecutionNotFound,
  type UserId
} from "@bulkhead/domain"
import { Deferred, Duration, Effect, Exit, Fiber } from "effect"
import type * as Books from "../Record/ExecutionLog.js"
import { type Shared, shuttingDown } from "../Shared.js"
import type { RegisteredExecution } from "./LiveExecutions.js"

type Facts = Readonly<Record<string, unknown>>

interface Tracked {
  readonly ended: Deferred.Deferred<Books.Ending>
  readonly watch: Fiber.Fiber<void>
}

const completed = (data: Facts): Books.Ending => ({
  level: "info",
  event: "execution_completed",
  message: "Execution completed",
  verdict: "Completed",
  data
})

const killed = (reason: string): Books.Ending => ({
  level: "warn",
  event: "execution_killed",
  message: `Execution killed: ${reason}`,
  verdict: "Killed"
})

const rejected = (message: string): Books.Ending => ({
  level: "warn",
  event: "execution_rejected",
  message,
  verdict: "Rejected"
})

const timedOut = (timeout: number): Books.Ending => ({
  level: "warn",
  event: "execution_timeout",
  message: `Execution timeout: not ended within ${timeout} s`,
  verdict: "TimeLimitExceeded"
})

/** Counts work that runs elsewhere against the limits. Whatever happens to that work, its place is free again after its timeout. */
export const make = Effect.fnUntraced(function* (shared: Shared) {
  const { admission, books, registry } = shared
  const all = new Map<ExecutionId, Tracked>()

  /** Waits for whichever end comes first, then gives the place back. */
  const watch = Effect.fnUntraced(function* (
    entry: RegisteredExecution,
    ended: Deferred.Deferred<Books.Ending>,
    timeout: number
  ) {
    const { executionId, userId } = entry.summary
    entry.killSwitch.listen(({ reason }) => Deferred.unsafeDone(ended, Exit.succeed(killed(reason))))
    const end = yield* Deferred.await(ended).pipe(
      Effect.timeoutTo({
        duration: Duration.seconds(timeout),
        onSuccess: (end) => end,
        onTimeout: () => timedOut(timeout)
      })
    )
    all.delete(executionId)
    yield* Effect.ignoreLogged(books.ended(entry.summary, end))
    yield* admission.leave(userId)
    registry.end(executionId)
  })

  const checkNew = Effect.fnUntraced(function* (executionId: ExecutionId) {
    yield* books.open(executionId)
    if (yield* books.knows(executionId)) return yield* new ExecutionExists({ executionId })
  })

  const takePlace = Effect.fnUntraced(function* (executionId: ExecutionId, userId: UserId) {
    if (shared.isClosing) return yield* shuttingDown(executionId)
    yield* admission.enterNow({ executionId, userId })
  })

  const start = Effect.fn("SandboxService.startExecution")(function* (
    executionId: ExecutionId,
    userId: UserId,
    timeout: number = shared.limits.defaultTimeout
  ) {
    yield* checkNew(executionId)
    const entry = yield* registry.register({ executionId, userId, state: "tracked" })
    books.began({ ...entry.summary })
    yield* takePlace(executionId, userId).pipe(
      Effect.tapError((refusal) =>
        Effect.map(Effect.ignoreLogged(books.ended(entry.summary, rejected(refusal.message))), () =>
          registry.end(executionId)
        )
      )
    )
    books.happened(entry.summary, "info", "execution_started", `Execution started with ${timeout}s timeout`)
    const ended = yield* Deferred.make<Books.Ending>()
    // The end of the service's scope waits for it, so it must not end before that.
    const fiber = yield* Effect.forkDaemon(Effect.interruptible(watch(entry, ended, timeout)))
    all.set(executionId, { ended, watch: fiber })
  }, Effect.uninterruptible)

  const end = Effect.fn("SandboxService.endExecution")(function* (
    executionId: ExecutionId,
    metrics: Facts = {}
  ) {
    const tracked = all.get(executionId)
    if (tracked === undefined) {
      const known = registry.find(executionId) !== undefined || (yield* books.knows(executionId))
      return yield* known ? new ExecutionEnded({ executionId }) : new ExecutionNotFound({ executionId })
    }
    yield* Deferred.succeed(tracked.ended, completed(metrics))
    yield* Fiber.join(tracked.watch)
  })

  return { start, end }
})
