import {
  type EventLevel,
  type EventName,
  ExecutionEnded,
  type ExecutionId,
  ExecutionNotFound,
  type UserId,
  type Verdict
} from "@bulkhead/domain"
import { Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"
import { logEvent } from "./Execution.js"
import type { RegisteredExecution } from "./ExecutionRegistry.js"
import { Limits } from "./Limits.js"
import { type Shared, shuttingDown } from "./Shared.js"

type Facts = Readonly<Record<string, unknown>>

/** How tracked work ended. */
interface End {
  readonly level: EventLevel
  readonly event: EventName
  readonly message: string
  readonly verdict: Verdict
  readonly data?: Facts
}

interface Tracked {
  readonly ended: Deferred.Deferred<End>
  readonly watch: Fiber.Fiber<void>
}

const completed = (data: Facts): End => ({
  level: "info",
  event: "execution_completed",
  message: "Execution completed",
  verdict: "Completed",
  data
})

const killed = (reason: string): End => ({
  level: "warn",
  event: "execution_killed",
  message: `Execution killed: ${reason}`,
  verdict: "Killed"
})

const timedOut = (timeout: number): End => ({
  level: "warn",
  event: "execution_timeout",
  message: `Execution timeout: not ended within ${timeout} s`,
  verdict: "TimeLimitExceeded"
})

/** Counts work that runs elsewhere against the limits. Whatever happens to that work, its place is free again after its timeout. */
export const make = Effect.fnUntraced(function* (shared: Shared) {
  const { registry, admission, closing } = shared
  const limits = yield* Limits
  const serviceScope = yield* Effect.scope
  const all = new Map<ExecutionId, Tracked>()

  /** Waits for whichever end comes first, then gives the place back. */
  const watch = Effect.fnUntraced(function* (
    entry: RegisteredExecution,
    ended: Deferred.Deferred<End>,
    place: Scope.CloseableScope,
    timeout: number
  ) {
    const { executionId } = entry.summary
    const end = yield* Effect.raceFirst(
      Deferred.await(ended),
      Effect.map(Deferred.await(entry.killed), ({ reason }) => killed(reason))
    ).pipe(
      Effect.timeoutTo({
        duration: Duration.seconds(timeout),
        onSuccess: (end) => end,
        onTimeout: () => timedOut(timeout)
      })
    )
    all.delete(executionId)
    yield* logEvent(entry.summary, end.level, end.event, end.message, end.data)
    yield* Scope.close(place, Exit.void)
    yield* registry.end(executionId, end)
  })

  const takePlace = Effect.fnUntraced(function* (executionId: ExecutionId, userId: UserId) {
    if (yield* Deferred.isDone(closing)) return yield* shuttingDown(executionId)
    yield* admission.admitNow(executionId, userId)
  })

  const start = Effect.fn("SandboxService.startExecution")(function* (
    executionId: ExecutionId,
    userId: UserId,
    timeout: number = limits.defaultTimeout
  ) {
    const entry = yield* registry.register({ executionId, userId, state: "tracked" })
    const place = yield* Scope.make()
    yield* takePlace(executionId, userId).pipe(
      Scope.extend(place),
      Effect.tapError((refusal) =>
        Effect.all([
          Scope.close(place, Exit.void),
          logEvent(entry.summary, "warn", "execution_rejected", refusal.message),
          registry.end(executionId, { verdict: "Rejected" })
        ])
      )
    )
    yield* logEvent(entry.summary, "info", "execution_started", `Execution started with ${timeout}s timeout`)
    const ended = yield* Deferred.make<End>()
    const fiber = yield* Effect.forkIn(
      Effect.interruptible(watch(entry, ended, place, timeout)),
      serviceScope
    )
    all.set(executionId, { ended, watch: fiber })
  }, Effect.uninterruptible)

  const end = Effect.fn("SandboxService.endExecution")(function* (
    executionId: ExecutionId,
    metrics: Facts = {}
  ) {
    const tracked = all.get(executionId)
    if (tracked === undefined) {
      const known = (yield* registry.list).some((execution) => execution.executionId === executionId)
      return yield* known ? new ExecutionEnded({ executionId }) : new ExecutionNotFound({ executionId })
    }
    yield* Deferred.succeed(tracked.ended, completed(metrics))
    yield* Fiber.join(tracked.watch)
  })

  return { start, end }
})
