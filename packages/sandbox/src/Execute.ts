import { createHash } from "node:crypto"
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
import { ArtifactGate } from "./ArtifactGate.js"
import * as Books from "./Books.js"
import * as Budget from "./Budget.js"
import { type Execution, run } from "./Execution.js"
import type { RegisteredExecution } from "./ExecutionRegistry.js"
import * as Idempotency from "./Idempotency.js"
import type { LimitValues } from "./Limits.js"
import * as Prices from "./Prices.js"
import * as Requests from "./Requests.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"
import type { SandboxSize } from "./SandboxProvider.js"
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
interface Work extends Pick<Execution, "request" | "runtime" | "supervisor"> {
  readonly size: SandboxSize
}

type Meter = Execution["meter"]

/** What an auditor asks first. The program's output is in the result alone. */
const factsOf = ({ error, exitCode, metrics, receipt, signal, verdict }: ExecutionResult) => ({
  verdict,
  ...(error ? { code: error.code } : {}),
  ...(exitCode === undefined ? {} : { exitCode }),
  ...(signal === undefined ? {} : { signal }),
  metrics,
  ...(receipt ? { survivors: receipt.survivors, sandboxDestroyed: receipt.sandboxDestroyed } : {})
})

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

const endingOf = (exit: Exit.Exit<ExecutionResult, { readonly message: string }>): Books.Ending => {
  if (Exit.isSuccess(exit)) {
    const { error, verdict } = exit.value
    const [level, event] = eventOfVerdict(verdict)
    const message = error?.message ?? "Execution completed"
    return { level, event, verdict, message, data: factsOf(exit.value), result: exit.value }
  }
  const refusal = Cause.failureOption(exit.cause)
  return Option.isSome(refusal)
    ? { level: "warn", event: "execution_rejected", verdict: "Rejected", message: refusal.value.message }
    : { level: "warn", event: "execution_killed", verdict: "Killed", message: "The caller went away" }
}

/** What was asked for and what holds it: the code by its hash alone. */
const policyOf = ({ request, runtime }: Work, timeout: number, limits: LimitValues) => ({
  codeSha256: createHash("sha256").update(request.code).digest("hex"),
  language: runtime.language,
  runtime: runtime.version,
  timeout,
  maxMemoryMB: limits.maxMemoryMB,
  maxCpuPercent: limits.maxCpuPercent,
  maxDiskMB: limits.maxDiskMB,
  maxProcesses: limits.maxProcesses,
  retryOnFailure: request.retryOnFailure
})

/** From the queue to the result. Fails early when the execution is killed or the service closes. */
const admitAndRun = (
  { admission, limits, registry }: Shared,
  { killSwitch, summary }: RegisteredExecution,
  work: Work,
  meter: Meter
) =>
  Effect.gen(function* () {
    const { executionId, userId } = summary
    const timeout = work.request.timeout ?? limits.defaultTimeout
    const askedAt = yield* Clock.currentTimeMillis
    const onWait = (ahead: number) =>
      Books.happened(summary, "info", "execution_queued", `Execution waits behind ${ahead} others at most`, {
        ahead
      })
    const admitted = Effect.gen(function* () {
      const queueTimeMs = (yield* Clock.currentTimeMillis) - askedAt
      // Whoever asks with the same key after a crash must find out that code may have run.
      if (work.request.idempotencyKey !== undefined) yield* Books.kept(executionId)
      yield* registry.enter(executionId, "starting")
      yield* Books.happened(
        summary,
        "info",
        "execution_started",
        `Execution started with ${timeout}s timeout`,
        policyOf(work, timeout, limits)
      )
      const onStart = registry.enter(executionId, "running")
      return yield* run({
        executionId,
        userId,
        ...work,
        limits,
        timeout,
        queueTimeMs,
        killSwitch,
        meter,
        onStart
      })
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

const usageOf = Effect.fnUntraced(function* (work: Work, { sandboxMs }: Meter, result?: ExecutionResult) {
  if (sandboxMs === 0) return {}
  const artifactBytes = (result?.artifacts ?? []).reduce((sum, { size }) => sum + size, 0)
  return { usage: Prices.usageOf(sandboxMs, work.size, artifactBytes, yield* Prices.Prices) }
})

/** Writes the terminal event, and lets the execution count as ended once that is kept. Nobody is told what is not kept. */
const end = Effect.fnUntraced(function* (
  { registry }: Shared,
  { summary }: RegisteredExecution,
  work: Work,
  meter: Meter,
  exit: Exit.Exit<ExecutionResult, Refusal>
) {
  const ending = endingOf(exit)
  const usage = yield* usageOf(work, meter, ending.result)
  const kept = yield* Effect.either(Books.ended(summary, { ...ending, ...usage }))
  yield* registry.end(summary.executionId)
  if (Either.isRight(kept)) return yield* exit
  yield* Effect.logError("The end of an execution could not be recorded", kept.left)
  yield* (yield* ArtifactGate).forget(summary.executionId)
  return Results.unrecorded(summary.executionId, ending.result)
})

/** Takes the execution into the books and runs it in a fiber of its own, which no caller who goes away interrupts. */
const start = Effect.fnUntraced(function* (
  shared: Shared,
  execution: Pick<ExecutionSummary, "executionId" | "userId">,
  work: Work
) {
  const { executionId } = execution
  const { language } = work.runtime
  if (shared.isClosing) return yield* shuttingDown(executionId)
  yield* Books.open(executionId)
  yield* Budget.check(executionId, execution.userId, shared.limits)
  const entry = yield* Effect.orDie(shared.registry.register({ ...execution, state: "queued", language }))
  yield* Books.began({ ...entry.summary })
  const meter: Meter = { sandboxMs: 0 }
  return yield* admitAndRun(shared, entry, work, meter).pipe(
    Effect.catchTag("KilledEarly", ({ reason }) =>
      Effect.succeed(Results.ofKill({ executionId, retries: 0 }, reason))
    ),
    orInternalError(executionId),
    Effect.interruptible,
    Effect.exit,
    Effect.flatMap((exit) => end(shared, entry, work, meter, exit)),
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
  Effect.flatMap(Effect.all([Toolchain, Clock.currentTimeMillis]), ([{ facts }, now]) =>
    Effect.retry(facts, {
      schedule: Retries.schedule(limits, now + limits.maxQueueWait * 1000),
      while: ({ retryable }) => retryable
    })
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
  const { runtimes, size, supervisor } = facts.right
  const runtime = yield* Requests.chooseRuntime(executionId, request.language, runtimes)

  const started = start(shared, { executionId, userId }, { request, runtime, size, supervisor })
  const key = request.idempotencyKey
  if (key === undefined) return yield* untilCallerLeaves(shared, executionId, started)
  const fingerprint = Idempotency.fingerprint(request)
  return yield* Idempotency.once(shared, { executionId, userId, key, fingerprint }, started)
})
