import { hash } from "node:crypto"
import {
  type ExecutionResult,
  executionError,
  MaliciousCode,
  mostFindings,
  type Refusal
} from "@bulkhead/domain"
import { Effect, Either, Ref, Schedule } from "effect"
import { Admission } from "../Admission/Admission.js"
import { type CodeAnalysis, CodeAnalyzer } from "../CodeAnalyzer.js"
import * as ExecutionInstruments from "../Instruments/ExecutionInstruments.js"
import { ExecutionLog, unavailable } from "../Record/ExecutionLog.js"
import * as Prices from "../Record/Prices.js"
import * as TerminalEvents from "../Record/TerminalEvents.js"
import * as SteadyClock from "../SteadyClock.js"
import type * as KillSwitch from "../Supervision/KillSwitch.js"
import type { AcceptedExecution } from "./AcceptedExecution.js"
import { type Attempt, type AttemptFailed, attempt } from "./Attempt.js"
import { LiveExecutions } from "./LiveExecutions.js"
import * as RequestFiles from "./RequestFiles.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"
import * as Secrets from "./Secrets.js"

/** How far an execution has come. */
interface Progress {
  /** Absent: it waits. */
  readonly queueTimeMs?: number
  readonly retries: number
}

/** So that a trace is found by its execution. */
const inSpan = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { executionId, request, runtime }: AcceptedExecution
) =>
  Effect.withSpan(effect, "Execution.run", {
    attributes: {
      "bulkhead.execution.id": executionId,
      "bulkhead.language": runtime.language,
      ...(request.image !== undefined && { "bulkhead.image": request.image })
    }
  })

/** From the queue to the end that is kept. Nobody is told of what is not kept. */
export const run = Effect.fnUntraced(function* (execution: AcceptedExecution) {
  const progress = yield* Ref.make<Progress>({ retries: 0 })
  const analysis = yield* Ref.make<CodeAnalysis | undefined>(undefined)
  const settled = yield* analyzeAndRun(execution, progress, analysis).pipe(
    Effect.flatMap((result) => Effect.map(Ref.get(analysis), withAnalysis(result))),
    Effect.map((result) => Secrets.masked(execution.secrets, result)),
    Effect.either,
    Effect.catchAllCause((cause) =>
      Effect.as(
        Effect.logError("Execution failed unexpectedly", cause),
        Either.right(internalError(execution))
      )
    ),
    Effect.ensuring(execution.releaseFiles)
  )
  return yield* end(execution, settled)
}, inSpan)

/** What every result says of its execution. */
const known = ({ executionId, network, request: { image }, traceId }: AcceptedExecution) => ({
  executionId,
  ...(network && { network }),
  ...(image !== undefined && { image }),
  ...(traceId !== undefined && { traceId })
})

const withAnalysis =
  (result: ExecutionResult) =>
  (analysis: CodeAnalysis | undefined): ExecutionResult => ({
    ...result,
    ...(analysis && analysis.findings.length > 0 && { findings: analysis.findings.slice(0, mostFindings) }),
    ...(analysis?.notAnalysed !== undefined && { notAnalysed: analysis.notAnalysed })
  })

const rulesIn = (count: number) => (count === 1 ? "a rule" : `${count} rules`)

/** Looks at the code, and turns away what the operator's rules refuse. */
const analyze = Effect.fnUntraced(function* (execution: AcceptedExecution) {
  const { executionId, request, runtime, userId } = execution
  const { language } = runtime
  const analysis = yield* (yield* CodeAnalyzer).analyze({ code: request.code, language, userId })
  if (analysis === undefined) return undefined
  const { findings, notAnalysed, refusal } = analysis
  if (findings.length > 0 || notAnalysed !== undefined)
    yield* (yield* ExecutionLog).happened(execution, {
      level: "warn",
      event: "code_flagged",
      message:
        findings.length > 0
          ? `Code matches ${rulesIn(findings.length)}`
          : `Code not analysed: ${notAnalysed}`,
      data: { findings: findings.slice(0, mostFindings), ...(notAnalysed !== undefined && { notAnalysed }) }
    })
  if (refusal !== undefined) return yield* new MaliciousCode({ executionId, message: refusal })
  return analysis
})

/** A kill that comes before the program is an interrupt. */
const analyzeAndRun = (
  execution: AcceptedExecution,
  progress: Ref.Ref<Progress>,
  analysis: Ref.Ref<CodeAnalysis | undefined>
) =>
  analyze(execution).pipe(
    Effect.flatMap((found) => Ref.set(analysis, found)),
    Effect.zipRight(admitAndRun(execution, progress)),
    execution.killSwitch.interruptible,
    Effect.ensuring(execution.leaveQueue),
    Effect.catchTag("KilledEarly", (killed) =>
      Effect.flatMap(Ref.get(progress), (sofar) => endOfKilled(execution, sofar, killed))
    )
  )

/** One that waits and could not be recorded is refused like its caller, so that its key stands for nothing. */
const endOfKilled = (
  execution: AcceptedExecution,
  progress: Progress,
  { isUnrecorded, reason }: KillSwitch.KilledEarly
) =>
  isUnrecorded && progress.queueTimeMs === undefined
    ? unavailable(execution.executionId)
    : Effect.succeed(Results.ofKill({ ...known(execution), ...progress }, reason))

/** Waits for a permit and runs with it. */
const admitAndRun = (execution: AcceptedExecution, progress: Ref.Ref<Progress>) =>
  Effect.gen(function* () {
    const admission = yield* Admission
    const log = yield* ExecutionLog
    const askedAt = yield* SteadyClock.now
    const onWait = (ahead: number) =>
      Effect.zipRight(
        log.happened(execution, {
          level: "info",
          event: "execution_queued",
          message: `Execution waits behind ${ahead} others at most`,
          data: { ahead }
        }),
        execution.updates.tell({ type: "queued", executionId: execution.executionId, ahead })
      )
    return yield* admission.withPermit(execution, onWait, runAdmitted(execution, progress, askedAt))
  })

const runAdmitted = Effect.fnUntraced(function* (
  execution: AcceptedExecution,
  progress: Ref.Ref<Progress>,
  askedAt: number
) {
  const { executionId, leaveQueue, limits, request } = execution
  const live = yield* LiveExecutions
  const log = yield* ExecutionLog
  yield* leaveQueue
  const timeout = request.timeout ?? limits.defaultTimeout
  // Whoever asks with the same key after a crash, or by its id, must find out that code may have run.
  if (execution.isKeptFirst) yield* log.kept(executionId)
  const queueTimeMs = (yield* SteadyClock.now) - askedAt
  yield* Ref.update(progress, (sofar) => ({ ...sofar, queueTimeMs }))
  yield* live.enter(executionId, "starting")
  yield* log.happened(execution, {
    level: "info",
    event: "execution_started",
    message: `Execution started with ${timeout}s timeout`,
    data: policyOf(execution, timeout)
  })
  yield* execution.updates.tell({ type: "started", executionId })
  return yield* runWithRetries(execution, progress, timeout)
})

/** What was asked for and what bounds it: the code by its hash alone. */
const policyOf = ({ gpus, held, limits, network, request, runtime }: AcceptedExecution, timeout: number) => ({
  codeSha256: hash("sha256", request.code),
  ...(request.image === undefined ? {} : { image: request.image }),
  language: runtime.language,
  runtime: runtime.version,
  timeout,
  maxMemoryMB: limits.maxMemoryMB,
  maxCpuPercent: limits.maxCpuPercent,
  maxDiskMB: limits.maxDiskMB,
  maxProcesses: limits.maxProcesses,
  ...(network && { network }),
  ...(gpus && { gpus }),
  retryOnFailure: request.retryOnFailure,
  ...RequestFiles.describe(request, held)
})

/** Attempts until one brings the program to its end, or no further one may help, within `timeout` seconds together. */
const runWithRetries = Effect.fnUntraced(function* (
  execution: AcceptedExecution,
  progress: Ref.Ref<Progress>,
  timeout: number
) {
  const { limits, request } = execution
  const deadline = (yield* SteadyClock.now) + timeout * 1000
  const failed = yield* Ref.make<AttemptFailed | undefined>(undefined)
  const lastAttempt = yield* Ref.make<Attempt | undefined>(undefined)

  const next = Effect.gen(function* () {
    const previous = yield* Ref.get(failed)
    if (previous === undefined) return yield* attempt(execution, timeout)
    yield* countRetry(execution, progress, previous)
    const left = deadline - (yield* SteadyClock.now)
    return yield* attempt(execution, Math.max(1, left) / 1000)
  })
  const remember = (failure: AttemptFailed) =>
    Effect.zipRight(
      Ref.set(failed, failure),
      Ref.update(lastAttempt, (last) => failure.attempt ?? last)
    )

  const ended = yield* next.pipe(
    Effect.tapError(remember),
    Effect.retry({
      schedule: Schedule.mapInput(
        Retries.schedule(limits, deadline),
        ({ failure }: AttemptFailed) => failure
      ),
      while: ({ failure }) => Retries.isRetryable(failure, request.retryOnFailure)
    }),
    Effect.either
  )
  const circumstances = { ...known(execution), limits, ...(yield* Ref.get(progress)) }
  return Either.isRight(ended)
    ? Results.ofAttempt(circumstances, ended.right)
    : Results.ofFailure(circumstances, yield* Ref.get(lastAttempt), ended.left.failure)
})

const countRetry = Effect.fnUntraced(function* (
  execution: AcceptedExecution,
  progress: Ref.Ref<Progress>,
  { failure }: AttemptFailed
) {
  const log = yield* ExecutionLog
  const { retries } = yield* Ref.updateAndGet(progress, (sofar) => ({ ...sofar, retries: sofar.retries + 1 }))
  yield* log.happened(execution, {
    level: "warn",
    event: "execution_retry",
    message: `Retry ${retries} of ${execution.limits.maxRetries}`,
    data: { reason: failure.message }
  })
  yield* execution.updates.tell({ type: "retrying", retry: retries, reason: failure.message })
})

/** A mistake of ours becomes a result too; its cause is for the operator alone. */
const internalError = (execution: AcceptedExecution) =>
  Results.withoutRun(
    { ...known(execution), retries: 0 },
    "InternalError",
    executionError("INTERNAL_ERROR", "Internal error")
  )

/** Strikes the execution off, and tells who reads along what came of it. */
const strikeOff = Effect.fnUntraced(function* (
  { executionId, updates }: AcceptedExecution,
  settled: Either.Either<ExecutionResult, Refusal>
) {
  const { end } = yield* LiveExecutions
  if (Either.isLeft(settled)) return yield* updates.refuse(settled.left, end(executionId))
  const result = settled.right
  yield* updates.end({ type: "result", result }, end(executionId))
})

/** Writes the terminal event, and lets the execution count as ended once that is kept. */
const end = Effect.fnUntraced(function* (
  execution: AcceptedExecution,
  settled: Either.Either<ExecutionResult, Refusal>
) {
  const { executionId } = execution
  const log = yield* ExecutionLog
  const live = yield* LiveExecutions
  const sandboxMs = yield* Ref.get(execution.sandboxMs)
  const terminal = Either.match(settled, {
    onLeft: TerminalEvents.ofRefusal,
    onRight: TerminalEvents.ofResult
  })
  const networkUse = yield* Ref.get(execution.networkUse)
  const usage = Prices.usageOf(
    sandboxMs,
    execution,
    terminal.result?.artifacts ?? [],
    yield* Prices.Prices,
    networkUse
  )
  const isKept = yield* log.ended(execution, { ...terminal, ...(usage ? { usage } : {}) }).pipe(
    Effect.tapError((failure) => Effect.logError("The end of an execution could not be recorded", failure)),
    Effect.tapDefect(() => live.end(executionId)),
    Effect.isSuccess
  )
  const { request, runtime, userId } = execution
  const { image } = request
  yield* ExecutionInstruments.ended({
    ...{ userId, image, terminal, sandboxMs, networkUse },
    language: runtime.language
  })
  if (Either.isLeft(settled)) yield* ExecutionInstruments.turnedAway(settled.left)
  yield* Effect.annotateCurrentSpan("bulkhead.verdict", terminal.verdict)
  // Its artifacts stay: it is recorded with them when that can be done, or whoever ends it then removes them.
  // That nothing ran needs no proof.
  const told =
    isKept || Either.isLeft(settled)
      ? settled
      : Either.right(Results.unrecorded(executionId, terminal.result))
  yield* strikeOff(execution, told)
  return yield* told
})
