import {
  anonymous,
  type EventLevel,
  type EventName,
  ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  executionError,
  type Refusal,
  type UserId,
  type Verdict
} from "@bulkhead/domain"
import { Cause, Clock, Effect, Either, Exit, Fiber, Option, Random } from "effect"
import { type Execution, logEvent, run } from "./Execution.js"
import type { RegisteredExecution } from "./ExecutionRegistry.js"
import * as Idempotency from "./Idempotency.js"
import type { LimitValues } from "./Limits.js"
import * as Requests from "./Requests.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"
import { type Shared, shuttingDown } from "./Shared.js"
import { Toolchain } from "./Toolchain.js"

const randomDigits = Effect.map(Random.nextIntBetween(0, 36 ** 6), (number) =>
  number.toString(36).padStart(6, "0")
)

const makeId = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  return ExecutionId.make(`exec_${now.toString(36)}${yield* randomDigits}${yield* randomDigits}`)
})

/** What is to be run, and by what means. */
type Work = Pick<Execution, "request" | "runtime" | "supervisor">

interface TerminalEvent {
  readonly level: EventLevel
  readonly event: EventName
  readonly message: string
  readonly verdict: Verdict
}

const eventOfVerdict = (verdict: Verdict): readonly [EventLevel, EventName] => {
  switch (verdict) {
    case "Completed":
      return ["info", "execution_completed"]
    case "TimeLimitExceeded":
      return ["warn", "execution_timeout"]
    case "Killed":
      return ["warn", "execution_killed"]
    case "InternalError":
      return ["error", "execution_failed"]
    default:
      return ["warn", "execution_failed"]
  }
}

const terminalEvent = (exit: Exit.Exit<ExecutionResult, { readonly message: string }>): TerminalEvent => {
  if (Exit.isSuccess(exit)) {
    const { verdict, error } = exit.value
    const [level, event] = eventOfVerdict(verdict)
    return { level, event, verdict, message: error?.message ?? "Execution completed" }
  }
  const refusal = Cause.failureOption(exit.cause)
  return Option.isSome(refusal)
    ? { level: "warn", event: "execution_rejected", verdict: "Rejected", message: refusal.value.message }
    : { level: "warn", event: "execution_killed", verdict: "Killed", message: "The caller went away" }
}

/** From the queue to the result. Fails early when the execution is killed or the service closes. */
const admitAndRun = (
  { admission, limits, registry }: Shared,
  { killSwitch, summary }: RegisteredExecution,
  work: Work
) =>
  Effect.gen(function* () {
    const { executionId, userId } = summary
    const timeout = work.request.timeout ?? limits.defaultTimeout
    const askedAt = yield* Clock.currentTimeMillis
    const onWait = (ahead: number) =>
      logEvent(summary, "info", "execution_queued", `Execution waits behind ${ahead} others at most`, {
        ahead
      })
    const admitted = Effect.gen(function* () {
      const queueTimeMs = (yield* Clock.currentTimeMillis) - askedAt
      yield* registry.enter(executionId, "starting")
      yield* logEvent(summary, "info", "execution_started", `Execution started with ${timeout}s timeout`)
      const onStart = registry.enter(executionId, "running")
      return yield* run({ executionId, userId, ...work, limits, timeout, queueTimeMs, killSwitch, onStart })
    })
    return yield* admission.withPlace(summary, killSwitch, onWait, admitted)
  })

/** Turns a mistake of ours into a result; the cause is for the operator alone. */
const orInternalError = (executionId: ExecutionId) =>
  Effect.catchAllDefect((defect: unknown) =>
    Effect.as(
      Effect.logError("Execution failed unexpectedly", Cause.die(defect)),
      Results.withoutRun(
        { executionId, retries: 0 },
        "InternalError",
        executionError("INTERNAL_ERROR", "Internal error")
      )
    )
  )

/** Writes the terminal event, then lets the execution count as ended. */
const end = (
  { registry }: Shared,
  { summary }: RegisteredExecution,
  exit: Exit.Exit<ExecutionResult, Refusal>
) => {
  const { level, event, verdict, message } = terminalEvent(exit)
  return Effect.zipRight(
    logEvent(summary, level, event, message),
    registry.end(summary.executionId, { verdict, ...(Exit.isSuccess(exit) ? { result: exit.value } : {}) })
  )
}

/** Takes the execution into the books and runs it in a fiber of its own, which no caller who goes away interrupts. */
const start = Effect.fnUntraced(function* (
  shared: Shared,
  execution: Pick<ExecutionSummary, "executionId" | "userId">,
  work: Work
) {
  const { executionId } = execution
  const { language } = work.runtime
  if (shared.isClosing) return yield* shuttingDown(executionId)
  const entry = yield* Effect.orDie(shared.registry.register({ ...execution, state: "queued", language }))
  return yield* admitAndRun(shared, entry, work).pipe(
    Effect.catchTag("KilledEarly", ({ reason }) =>
      Effect.succeed(Results.ofKill({ executionId, retries: 0 }, reason))
    ),
    orInternalError(executionId),
    Effect.onExit((exit) => end(shared, entry, exit)),
    Effect.interruptible,
    Effect.forkDaemon
  )
}, Effect.uninterruptible)

/** A caller who goes away kills the execution, but does not lose what came of it. */
const untilCallerLeaves = <R>(
  { registry }: Shared,
  executionId: ExecutionId,
  started: Effect.Effect<Fiber.Fiber<ExecutionResult, Refusal>, Refusal, R>
) =>
  Effect.uninterruptible(
    Effect.flatMap(started, (fiber) => {
      const kill = registry.kill(executionId, { reason: "the caller went away", graceful: false })
      return Effect.interruptible(Effect.flatten(Fiber.await(fiber))).pipe(
        Effect.onInterrupt(() => Effect.zipRight(Effect.ignore(kill), Fiber.await(fiber)))
      )
    })
  )

/** What the sandboxes can run. A provider that fails for a moment is asked again. */
const findFacts = (limits: LimitValues) =>
  Effect.flatMap(Toolchain, ({ facts }) =>
    Effect.catchIf(
      facts,
      ({ retryable }) => retryable,
      (first) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.retry(Effect.failSync(() => first).pipe(Effect.orElse(() => facts)), {
            schedule: Retries.schedule(limits, now + limits.maxQueueWait * 1000),
            while: ({ retryable }) => retryable
          })
        )
    )
  )

/** The way of one request: read, check, admit, run; with exactly one terminal event at its end. */
export const execute = Effect.fn("SandboxService.execute")(function* (
  shared: Shared,
  input: unknown,
  caller: UserId | undefined
) {
  const { limits } = shared
  const executionId = yield* makeId
  const request = yield* Requests.read(executionId, input)
  yield* Requests.checkLimits(executionId, request, limits)
  const userId = caller ?? request.userId ?? anonymous
  const facts = yield* Effect.either(findFacts(limits))
  if (Either.isLeft(facts)) return Results.ofFailure({ executionId, retries: 0 }, undefined, facts.left)
  const { runtimes, supervisor } = facts.right
  const runtime = yield* Requests.chooseRuntime(executionId, request.language, runtimes)

  const started = start(shared, { executionId, userId }, { request, runtime, supervisor })
  const key = request.idempotencyKey
  if (key === undefined) return yield* untilCallerLeaves(shared, executionId, started)
  const fingerprint = Idempotency.fingerprint(request)
  return yield* Idempotency.once(shared, { executionId, userId, key, fingerprint }, started)
})
