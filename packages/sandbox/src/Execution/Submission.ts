import { hash } from "node:crypto"
import {
  anonymous,
  ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  executionError,
  type Refusal,
  type UserId
} from "@bulkhead/domain"
import {
  Cause,
  type Clock,
  Context,
  Effect,
  Either,
  Exit,
  Fiber,
  FiberRef,
  Option,
  Random,
  Tracer
} from "effect"
import * as Budget from "../Admission/Budget.js"
import type { LimitValues } from "../Limits.js"
import { Meter } from "../Record/Meter.js"
import * as Endings from "../Record/TerminalEvent.js"
import type { SandboxSize } from "../Sandboxes/SandboxProvider.js"
import { type Shared, shuttingDown } from "../Shared.js"
import { type Execution, run } from "./Execution.js"
import * as Idempotency from "./Idempotency.js"
import type { KilledEarly } from "./KillSwitch.js"
import type { RegisteredExecution } from "./LiveExecutions.js"
import * as Requests from "./Requests.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"

/** As many digits as a random number can fill. */
const randomDigits = 10

const makeId = (clock: Clock.Clock) =>
  Effect.map(Random.nextIntBetween(0, 36 ** randomDigits), (number) => {
    const random = number.toString(36).padStart(randomDigits, "0")
    return ExecutionId.make(`exec_${clock.unsafeCurrentTimeMillis().toString(36)}${random}`)
  })

/** What is to be run, and by what means. */
interface Work extends Pick<Execution, "request" | "runtime" | "supervisor"> {
  readonly size: SandboxSize
}

/** What was asked for and what holds it: the code by its hash alone. */
const policyOf = ({ request, runtime }: Work, timeout: number, limits: LimitValues) => ({
  codeSha256: hash("sha256", request.code),
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
  shared: Shared,
  { killSwitch, summary }: RegisteredExecution,
  work: Work,
  meter: Meter
) => {
  const { admission, books, clock, limits, registry } = shared
  const { executionId, userId } = summary
  const timeout = work.request.timeout ?? limits.defaultTimeout
  const askedAt = clock.unsafeCurrentTimeMillis()
  const onWait = (ahead: number) =>
    books.happened(summary, "info", "execution_queued", `Execution waits behind ${ahead} others at most`, {
      ahead
    })
  const runNow = Effect.suspend(() => {
    const queueTimeMs = clock.unsafeCurrentTimeMillis() - askedAt
    const message = `Execution started with ${timeout}s timeout`
    registry.enter(executionId, "starting")
    books.happened(summary, "info", "execution_started", message, policyOf(work, timeout, limits))
    return run(shared, {
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
  // Whoever asks with the same key after a crash must find out that code may have run.
  const admitted =
    work.request.idempotencyKey === undefined ? runNow : Effect.zipRight(books.kept(executionId), runNow)
  return admission.withPlace(summary, killSwitch, onWait, admitted)
}

/** A result, or why the request was turned away. */
type Settled = Either.Either<ExecutionResult, Refusal>

/** What an execution came to. A mistake of ours becomes a result too; its cause is for the operator alone. */
const settle = (
  executionId: ExecutionId,
  exit: Exit.Exit<ExecutionResult, Refusal | KilledEarly>
): Effect.Effect<Settled> => {
  if (Exit.isSuccess(exit)) return Effect.succeed(Either.right(exit.value))
  const failure = Cause.failureOption(exit.cause)
  if (Option.isNone(failure)) {
    const error = executionError("INTERNAL_ERROR", "Internal error")
    return Effect.as(
      Effect.logError("Execution failed unexpectedly", exit.cause),
      Either.right(Results.withoutRun({ executionId, retries: 0 }, "InternalError", error))
    )
  }
  return Effect.succeed(
    failure.value._tag === "KilledEarly"
      ? Either.right(Results.ofKill({ executionId, retries: 0 }, failure.value.reason))
      : Either.left(failure.value)
  )
}

/** Writes the terminal event, and lets the execution count as ended once that is kept. Nobody is told what is not kept. */
const end = (
  { books, gate, prices, registry }: Shared,
  { summary }: RegisteredExecution,
  { size }: Work,
  { sandboxMs }: Meter,
  settled: Settled
): Effect.Effect<ExecutionResult, Refusal> => {
  const { executionId } = summary
  const ending = Endings.of(settled)
  const usage = Endings.usageOf(sandboxMs, size, prices, ending.result)
  return Effect.matchEffect(books.ended(summary, { ...ending, ...(usage ? { usage } : {}) }), {
    onSuccess: () => {
      registry.end(executionId)
      return settled
    },
    onFailure: (failure) => {
      registry.end(executionId)
      return Effect.logError("The end of an execution could not be recorded", failure).pipe(
        Effect.zipRight(gate.forget(executionId)),
        Effect.as(Results.unrecorded(executionId, ending.result))
      )
    }
  })
}

/** Takes the execution into the books and runs it in a fiber of its own, which nothing interrupts. */
const start = Effect.fnUntraced(function* (
  shared: Shared,
  execution: Pick<ExecutionSummary, "executionId" | "userId">,
  work: Work,
  span: Tracer.Span
) {
  const { executionId } = execution
  const { books, clock, limits, registry, store } = shared
  const { language } = work.runtime
  yield* books.open(executionId)
  yield* Budget.check(store, execution, limits)
  // It may have begun to close while the store was asked.
  if (shared.isClosing) return yield* shuttingDown(executionId)
  const entry = Either.getOrThrow(registry.register({ ...execution, state: "queued", language }))
  books.began({ ...entry.summary })
  const meter = new Meter(clock)
  const life = Effect.exit(admitAndRun(shared, entry, work, meter)).pipe(
    Effect.flatMap((exit) => settle(executionId, exit)),
    Effect.flatMap((settled) => end(shared, entry, work, meter, settled))
  )
  // The fiber ends with it, so nothing has to be put back, which would cost as much as a fifth of the rest.
  const below = FiberRef.update(FiberRef.currentContext, Context.add(Tracer.ParentSpan, span))
  return yield* Effect.forkDaemon(Effect.zipRight(below, life))
}, Effect.uninterruptible)

/** A caller who goes away kills the execution, but does not lose what came of it. */
const untilCallerLeaves = (
  { registry }: Shared,
  executionId: ExecutionId,
  started: Effect.Effect<Fiber.RuntimeFiber<ExecutionResult, Refusal>, Refusal>
) =>
  Effect.uninterruptible(
    Effect.flatMap(started, (fiber) => {
      const ended = Effect.async<ExecutionResult, Refusal>((resume) => fiber.addObserver(resume))
      return Effect.onInterrupt(Effect.interruptible(ended), () => {
        registry.kill(executionId, { reason: "the caller went away", graceful: false })
        return Fiber.await(fiber)
      })
    })
  )

/** What the sandboxes can run. A provider that fails for a moment is asked again. */
const findFacts = ({ clock, limits, toolchain: { facts, known } }: Shared) => {
  const found = known()
  if (found !== undefined) return Effect.succeed(found)
  return Effect.retry(facts, {
    schedule: Retries.schedule(limits, clock.unsafeCurrentTimeMillis() + limits.maxQueueWait * 1000),
    while: ({ retryable }) => retryable
  })
}

/** The way of one request: read, check, admit, run; with exactly one terminal event at its end. */
const answer = Effect.fnUntraced(function* (
  shared: Shared,
  input: unknown,
  caller: UserId | undefined,
  span: Tracer.Span
) {
  const { clock, limits } = shared
  const executionId = yield* makeId(clock)
  const request = yield* Requests.read(executionId, input, limits)
  const userId = caller ?? request.userId ?? anonymous
  const facts = yield* Effect.either(findFacts(shared))
  if (Either.isLeft(facts)) return Results.ofFailure({ executionId, retries: 0 }, undefined, facts.left)
  const { runtimes, size, supervisor } = facts.right
  const runtime = yield* Requests.chooseRuntime(executionId, request.language, runtimes)

  const started = start(shared, { executionId, userId }, { request, runtime, size, supervisor }, span)
  const key = request.idempotencyKey
  if (key === undefined) return yield* untilCallerLeaves(shared, executionId, started)
  const fingerprint = Idempotency.fingerprint(request)
  return yield* shared.idempotency.once({ executionId, userId, key, fingerprint }, started)
})

/** Answers a request, in a span of its own. */
export const execute = (shared: Shared, input: unknown, caller: UserId | undefined) =>
  Effect.flatMap(Effect.makeSpan("SandboxService.execute", { captureStackTrace: false }), (span) =>
    Effect.onExit(answer(shared, input, caller, span), (exit) =>
      Effect.sync(() => span.end(shared.clock.unsafeCurrentTimeNanos(), exit))
    )
  )
