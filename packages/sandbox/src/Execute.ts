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
import { Cause, Clock, Deferred, Duration, Effect, Either, Exit, Fiber, Option, Random } from "effect"
import { type Execution, logEvent, run, unlessKilled } from "./Execution.js"
import type { RegisteredExecution } from "./ExecutionRegistry.js"
import { Limits } from "./Limits.js"
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

/** Takes a place, waiting for one if need be; milliseconds it took. Fails early when the execution is killed or the service closes. */
const takePlace = Effect.fnUntraced(function* (
  { admission, closing }: Shared,
  { summary: { executionId, userId }, killed }: RegisteredExecution
) {
  const closed = Effect.suspend(() => shuttingDown(executionId))
  if (yield* Deferred.isDone(closing)) return yield* closed
  const inQueue = admission
    .admit(executionId, userId)
    .pipe(Effect.raceFirst(Effect.zipRight(Deferred.await(closing), closed)), unlessKilled(killed))
  const [waited] = yield* admission.admitNow(executionId, userId).pipe(
    Effect.catchAll(() => inQueue),
    Effect.timed
  )
  return Math.round(Duration.toMillis(waited))
})

/** From the queue to the result. */
const admitAndRun = Effect.fnUntraced(function* (
  shared: Shared,
  entry: RegisteredExecution,
  work: Pick<Execution, "request" | "runtime" | "supervisor">
) {
  const { executionId, userId } = entry.summary
  const timeout = work.request.timeout ?? (yield* Limits).defaultTimeout
  yield* logEvent(entry.summary, "info", "execution_queued", "Execution waits for a place")
  const queueTimeMs = yield* takePlace(shared, entry)
  yield* shared.registry.enter(executionId, "starting")
  yield* logEvent(entry.summary, "info", "execution_started", `Execution started with ${timeout}s timeout`)
  return yield* run({
    executionId,
    userId,
    ...work,
    timeout,
    queueTimeMs,
    killed: entry.killed,
    onStart: shared.registry.enter(executionId, "running")
  })
}, Effect.scoped)

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

/**
 * Takes the execution into the books and runs it in a fiber of its own. A caller who goes away kills the execution, but does not lose
 * what came of it.
 */
const runInBooks = Effect.fnUntraced(function* (
  shared: Shared,
  execution: Pick<ExecutionSummary, "executionId" | "userId">,
  work: Pick<Execution, "request" | "runtime" | "supervisor">
) {
  const { registry } = shared
  const { executionId } = execution
  const { language } = work.runtime
  const entry = yield* Effect.orDie(registry.register({ ...execution, state: "queued", language }))
  const fiber = yield* admitAndRun(shared, entry, work).pipe(
    Effect.catchTag("KilledEarly", ({ reason }) =>
      Effect.succeed(Results.ofKill({ executionId, retries: 0 }, reason))
    ),
    orInternalError(executionId),
    Effect.onExit((exit) => end(shared, entry, exit)),
    Effect.interruptible,
    Effect.forkDaemon
  )
  const kill = registry.kill(executionId, { reason: "the caller went away", graceful: false })
  return yield* Effect.interruptible(Fiber.join(fiber)).pipe(
    Effect.onInterrupt(() => Effect.zipRight(Effect.ignore(kill), Fiber.await(fiber)))
  )
}, Effect.uninterruptible)

/** The way of one request: read, check, admit, run; with exactly one terminal event at its end. */
export const execute = Effect.fn("SandboxService.execute")(function* (
  shared: Shared,
  input: unknown,
  caller: UserId | undefined
) {
  const executionId = yield* makeId
  const limits = yield* Limits
  const request = yield* Requests.read(executionId, input)
  yield* Requests.checkLimits(executionId, request, limits)
  const userId = caller ?? request.userId ?? anonymous
  const facts = yield* Effect.flatMap(Toolchain, (toolchain) => toolchain.facts).pipe(
    Effect.retry({ schedule: Retries.schedule(limits), while: ({ retryable }) => retryable }),
    Effect.either
  )
  if (Either.isLeft(facts)) return Results.ofFailure({ executionId, retries: 0 }, undefined, facts.left)
  const { runtimes, supervisor } = facts.right
  const runtime = yield* Requests.chooseRuntime(executionId, request.language, runtimes)

  return yield* runInBooks(shared, { executionId, userId }, { request, runtime, supervisor })
})
