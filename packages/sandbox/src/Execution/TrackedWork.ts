import {
  ExecutionEnded,
  ExecutionExists,
  type ExecutionId,
  ExecutionNotFound,
  type UserId
} from "@bulkhead/domain"
import { Deferred, Duration, Effect, Fiber, Ref } from "effect"
import { Admission } from "../Admission/Admission.js"
import { LimitsInForce } from "../LimitsInForce.js"
import { ExecutionLog, type TerminalEvent } from "../Record/ExecutionLog.js"
import * as TerminalEvents from "../Record/TerminalEvents.js"
import { type LiveExecution, LiveExecutions } from "./LiveExecutions.js"
import * as RecordedTrace from "./RecordedTrace.js"

type Facts = Readonly<Record<string, unknown>>

interface Tracked {
  readonly ended: Deferred.Deferred<TerminalEvent>
  readonly watch: Fiber.Fiber<void>
}

const completed = (data: Facts): TerminalEvent => ({
  level: "info",
  event: "execution_completed",
  message: "Execution completed",
  verdict: "Completed",
  data
})

const killed = (reason: string): TerminalEvent => ({
  level: "warn",
  event: "execution_killed",
  message: `Execution killed: ${reason}`,
  verdict: "Killed"
})

const timedOut = (timeout: number): TerminalEvent => ({
  level: "warn",
  event: "execution_timeout",
  message: `Execution timeout: not ended within ${timeout} s`,
  verdict: "TimeLimitExceeded"
})

/**
 * Counts work that runs elsewhere against the limits. Whatever happens to that work, its permit is free again after its
 * timeout.
 */
export const make = Effect.gen(function* () {
  const admission = yield* Admission
  const inForce = yield* LimitsInForce
  const live = yield* LiveExecutions
  const log = yield* ExecutionLog
  const all = new Map<ExecutionId, Tracked>()

  /** Waits for whichever end comes first, then gives the permit back. */
  const watch = Effect.fnUntraced(function* (
    { killSwitch, summary }: LiveExecution,
    ended: Deferred.Deferred<TerminalEvent>,
    timeout: number
  ) {
    const killing = Effect.map(killSwitch.pressed, ({ reason }) => killed(reason))
    const end = yield* Effect.raceFirst(Deferred.await(ended), killing).pipe(
      Effect.timeoutTo({
        duration: Duration.seconds(timeout),
        onSuccess: (end) => end,
        onTimeout: () => timedOut(timeout)
      })
    )
    all.delete(summary.executionId)
    yield* Effect.ignoreLogged(log.ended(summary, end))
    yield* admission.leave(summary)
    yield* live.end(summary.executionId)
  })

  const checkNew = Effect.fnUntraced(function* (executionId: ExecutionId) {
    yield* log.checkWritable(executionId)
    if (yield* log.knows(executionId)) return yield* new ExecutionExists({ executionId })
  })

  const start = Effect.fn("SandboxService.startExecution")(function* (
    executionId: ExecutionId,
    userId: UserId,
    timeout?: number
  ) {
    const { defaultTimeout } = yield* Ref.get(inForce)
    const seconds = timeout ?? defaultTimeout
    yield* checkNew(executionId)
    const trace = yield* RecordedTrace.current
    const entry = yield* live.register({ executionId, userId, state: "tracked", ...trace })
    const { summary } = entry
    yield* log.began(summary)
    yield* Effect.zipRight(live.checkOpen(executionId), admission.enterNow({ executionId, userId })).pipe(
      Effect.tapError((refusal) =>
        Effect.zipRight(
          Effect.ignoreLogged(log.ended(summary, TerminalEvents.ofRefusal(refusal))),
          live.end(executionId)
        )
      )
    )
    yield* log.happened(summary, {
      level: "info",
      event: "execution_started",
      message: `Execution started with ${seconds}s timeout`
    })
    const ended = yield* Deferred.make<TerminalEvent>()
    // The end of the service's scope waits for it, so it must not end before that.
    const fiber = yield* Effect.forkDaemon(Effect.interruptible(watch(entry, ended, seconds)))
    all.set(executionId, { ended, watch: fiber })
  }, Effect.uninterruptible)

  const end = Effect.fn("SandboxService.endExecution")(function* (
    executionId: ExecutionId,
    metrics: Facts = {}
  ) {
    const tracked = all.get(executionId)
    if (tracked === undefined) {
      const known = (yield* live.find(executionId)) !== undefined || (yield* log.knows(executionId))
      return yield* known ? new ExecutionEnded({ executionId }) : new ExecutionNotFound({ executionId })
    }
    yield* Deferred.succeed(tracked.ended, completed(metrics))
    yield* Fiber.join(tracked.watch)
  })

  return { start, end }
})
