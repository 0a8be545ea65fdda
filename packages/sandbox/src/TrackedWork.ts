import {
  type EventLevel,
  type EventName,
  ExecutionEnded,
  type ExecutionId,
  ExecutionNotFound,
  type UserId,
  type Verdict
} from "@bulkhead/domain"
import { Deferred, Duration, Effect, Exit, Fiber } from "effect"
import { logEvent } from "./Execution.js"
import type { RegisteredExecution } from "./ExecutionRegistry.js"
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
  const { registry, admission } = shared
  const serviceScope = yield* Effect.scope
  const all = new Map<ExecutionId, Tracked>()

  /** Waits for whichever end comes first, then gives the place back. */
  const watch = Effect.fnUntraced(function* (
    entry: RegisteredExecution,
    ended: Deferred.Deferred<End>,
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
    yield* logEvent(entry.summary, end.level, end.event, end.message, end.data)
    yield* admission.leave(userId)
    yield* registry.end(executionId, end)
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
    const entry = yield* registry.register({ executionId, userId, state: "tracked" })
    yield* takePlace(executionId, userId).pipe(
      Effect.tapError((refusal) =>
        Effect.all([
          logEvent(entry.summary, "warn", "execution_rejected", refusal.message),
          registry.end(executionId, { verdict: "Rejected" })
        ])
      )
    )
    yield* logEvent(entry.summary, "info", "execution_started", `Execution started with ${timeout}s timeout`)
    const ended = yield* Deferred.make<End>()
    const fiber = yield* Effect.forkIn(Effect.interruptible(watch(entry, ended, timeout)), serviceScope)
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
