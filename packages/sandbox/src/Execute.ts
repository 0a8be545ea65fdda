import { createHash } from "node:crypto"
import {
  anonymous,
  ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  executionError,
  type Refusal,
  type UserId
} from "@bulkhead/domain"
import { Cause, Clock, Effect, Either, type Exit, Fiber, Random } from "effect"
import * as Budget from "./Budget.js"
import * as Endings from "./Endings.js"
import { type Execution, run } from "./Execution.js"
import type { RegisteredExecution } from "./ExecutionRegistry.js"
import * as Idempotency from "./Idempotency.js"
import type { LimitValues } from "./Limits.js"
import { Meter } from "./Meter.js"
import * as Requests from "./Requests.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"
import type { SandboxSize } from "./SandboxProvider.js"
import { type Shared, shuttingDown } from "./Shared.js"

/** As many digits as a random number can fill. */
const randomDigits = 10

const makeId = Effect.flatMap(Clock.currentTimeMillis, (now) =>
  Effect.map(Random.nextIntBetween(0, 36 ** randomDigits), (number) => {
    const random = number.toString(36).padStart(randomDigits, "0")
    return ExecutionId.make(`exec_${now.toString(36)}${random}`)
  })
)

/** What is to be run, and by what means. */
interface Work extends Pick<Execution, "request" | "runtime" | "supervisor"> {
  readonly size: SandboxSize
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
const admitAndRun = Effect.fnUntraced(function* (
  shared: Shared,
  { killSwitch, summary }: RegisteredExecution,
  work: Work,
  meter: Meter
) {
  const { admission, books, limits, registry } = shared
  const { executionId, userId } = summary
  const timeout = work.request.timeout ?? limits.defaultTimeout
  const askedAt = yield* Clock.currentTimeMillis
  const onWait = (ahead: number) =>
    books.happened(summary, "info", "execution_queued", `Execution waits behind ${ahead} others at most`, {
      ahead
    })
  const admitted = Effect.gen(function* () {
    const queueTimeMs = (yield* Clock.currentTimeMillis) - askedAt
    // Whoever asks with the same key after a crash must find out that code may have run.
    if (work.request.idempotencyKey !== undefined) yield* books.kept(executionId)
    yield* registry.enter(executionId, "starting")
    yield* books.happened(
      summary,
      "info",
      "execution_started",
      `Execution started with ${timeout}s timeout`,
      policyOf(work, timeout, limits)
    )
    return yield* run(shared, {
      executionId,
      userId,
      ...work,
      limits,
      timeout,
      queueTimeMs,
      killSwitch,
      meter
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

/** Writes the terminal event, and lets the execution count as ended once that is kept. Nobody is told what is not kept. */
const end = Effect.fnUntraced(function* (
  { books, gate, prices, registry }: Shared,
  { summary }: RegisteredExecution,
  { size }: Work,
  { sandboxMs }: Meter,
  exit: Exit.Exit<ExecutionResult, Refusal>
) {
  const ending = Endings.of(exit)
  const usage = Endings.usageOf(sandboxMs, size, prices, ending.result)
  const kept = yield* Effect.either(books.ended(summary, { ...ending, ...(usage ? { usage } : {}) }))
  yield* registry.end(summary.executionId)
  if (Either.isRight(kept)) return yield* exit
  yield* Effect.logError("The end of an execution could not be recorded", kept.left)
  yield* gate.forget(summary.executionId)
  return Results.unrecorded(summary.executionId, ending.result)
})

/** Takes the execution into the books and runs it in a fiber of its own, which no caller who goes away interrupts. */
const start = Effect.fnUntraced(function* (
  shared: Shared,
  execution: Pick<ExecutionSummary, "executionId" | "userId">,
  work: Work
) {
  const { executionId } = execution
  const { books, limits, registry, store } = shared
  const { language } = work.runtime
  if (shared.isClosing) return yield* shuttingDown(executionId)
  yield* books.open(executionId)
  yield* Budget.check(store, execution, limits)
  const entry = yield* Effect.orDie(registry.register({ ...execution, state: "queued", language }))
  yield* books.began({ ...entry.summary })
  const meter = new Meter(yield* Effect.clock)
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
const untilCallerLeaves = (
  { registry }: Shared,
  executionId: ExecutionId,
  started: Effect.Effect<Fiber.Fiber<ExecutionResult, Refusal>, Refusal>
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
const findFacts = ({ limits, toolchain: { facts, known } }: Shared) =>
  Effect.suspend(() => {
    const found = known()
    if (found !== undefined) return Effect.succeed(found)
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.retry(facts, {
        schedule: Retries.schedule(limits, now + limits.maxQueueWait * 1000),
        while: ({ retryable }) => retryable
      })
    )
  })

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
  const facts = yield* Effect.either(findFacts(shared))
  if (Either.isLeft(facts)) return Results.ofFailure({ executionId, retries: 0 }, undefined, facts.left)
  const { runtimes, size, supervisor } = facts.right
  const runtime = yield* Requests.chooseRuntime(executionId, request.language, runtimes)

  const started = start(shared, { executionId, userId }, { request, runtime, size, supervisor })
  const key = request.idempotencyKey
  if (key === undefined) return yield* untilCallerLeaves(shared, executionId, started)
  const fingerprint = Idempotency.fingerprint(request)
  return yield* shared.idempotency.once({ executionId, userId, key, fingerprint }, started)
})
