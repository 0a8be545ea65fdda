import type { ExecutionId, ExecutionRequest, UserId } from "@bulkhead/domain"
import { Clock, type Context, Duration, Effect, Schedule } from "effect"
import { type CollectedArtifacts, defaultOutputDir } from "./ArtifactGate.js"
import { succeedsWithin } from "./Bounded.js"
import { type KillRequest, type KillSwitch, unlessKilled } from "./KillSwitch.js"
import type { LimitValues } from "./Limits.js"
import type { Meter } from "./Meter.js"
import * as Program from "./Program.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"
import { lifetimeFor } from "./Sandboxes.js"
import type { Sandbox, SandboxFailure } from "./SandboxProvider.js"
import type { Shared } from "./Shared.js"
import { type Outcome, supervise } from "./Supervisor.js"
import type { Facts, Runtime } from "./Toolchain.js"

/** A request that has been admitted. */
export interface Execution {
  readonly executionId: ExecutionId
  readonly userId: UserId
  readonly request: ExecutionRequest
  readonly runtime: Runtime
  readonly supervisor: Facts["supervisor"]
  /** As they were when the request came. */
  readonly limits: LimitValues
  /** Seconds of wall time. */
  readonly timeout: number
  readonly queueTimeMs: number
  readonly killSwitch: KillSwitch
  readonly meter: Meter
}

type Backoff = Schedule.ScheduleDriver<Duration.Duration, SandboxFailure>

/** How long the end of a sandbox may take before we go on and leave the rest to its finalizer. */
const destroyBound = Duration.seconds(10)

/** Must be beyond guessing: it is what tells the supervisor's words from the program's. */
const makeNonce = Effect.sync(() => globalThis.crypto.randomUUID())

const startSandbox = Effect.fnUntraced(function* (
  { books, sandboxes }: Shared,
  execution: Execution,
  program: Program.Program
) {
  const { executionId, limits, timeout } = execution
  const sandbox = yield* sandboxes.acquire({ executionId }, lifetimeFor(timeout, limits))
  execution.meter.begin()
  yield* books.happened(execution, "info", "sandbox_created", "Sandbox created", { sandboxId: sandbox.id })
  if (program.files.length > 0) yield* sandbox.write(program.files)
  return sandbox
})

const destroy = Effect.fnUntraced(function* (
  { books }: Shared,
  execution: Execution,
  sandbox: Context.Tag.Service<Sandbox>
) {
  const destroyNow = Effect.tapError(sandbox.destroy, (failure) =>
    Effect.logWarning("Sandbox not destroyed", failure)
  )
  const destroyed = yield* succeedsWithin(destroyNow, destroyBound)
  yield* destroyed
    ? books.happened(execution, "info", "sandbox_destroyed", "Sandbox destroyed", { sandboxId: sandbox.id })
    : books.happened(execution, "error", "sandbox_leaked", "Sandbox not destroyed", { sandboxId: sandbox.id })
  return destroyed
})

const nothingCollected: CollectedArtifacts = { artifacts: [], rejected: [] }

const notCollected = (outputDir: string, why: string): CollectedArtifacts => ({
  artifacts: [],
  rejected: [{ name: outputDir, reason: `Artifact validation failed: ${why}` }]
})

/** What the program left in its output directory. Where a process of its own may still be at work there, nothing can be trusted. */
const collect = Effect.fnUntraced(function* (
  { gate }: Shared,
  { executionId, killSwitch, limits, request }: Execution,
  sandbox: Context.Tag.Service<Sandbox>,
  { report }: Outcome
) {
  if (!report?.outputs) return nothingCollected
  const outputDir = request.outputDir ?? defaultOutputDir
  if (report.survivors > 0) return notCollected(outputDir, "processes of the program survived")
  return yield* unlessKilled(killSwitch)(gate.collect({ executionId, sandbox, limits, outputDir })).pipe(
    Effect.catchTag("KilledEarly", () => Effect.succeed(notCollected(outputDir, "the execution was killed")))
  )
})

/** One fresh sandbox, one run of at most `timeout` seconds. What befalls the program once it runs is an outcome, not a failure. */
const attempt = Effect.fnUntraced(function* (shared: Shared, execution: Execution, timeout: number) {
  const { books, registry } = shared
  const { executionId, killSwitch, limits, request, runtime, supervisor } = execution
  const program = Program.layOut(request, runtime, supervisor, limits, timeout, yield* makeNonce)
  const askedAt = yield* Clock.currentTimeMillis
  const sandbox = yield* unlessKilled(killSwitch)(startSandbox(shared, execution, program))
  const startupTimeMs = (yield* Clock.currentTimeMillis) - askedAt
  const outcome = yield* supervise({
    sandbox,
    program,
    limits,
    timeout: Duration.millis(Math.round(timeout * 1000)),
    killSwitch,
    onStart: Effect.zipRight(
      registry.enter(executionId, "running"),
      books.happened(execution, "info", "program_started", "Program started")
    ),
    onSignal: ({ signal, atMs }) =>
      books.happened(execution, "warn", "signal_sent", `${signal} sent to every process after ${atMs} ms`)
  })
  const collected = yield* collect(shared, execution, sandbox, outcome)
  const destroyed = yield* destroy(shared, execution, sandbox)
  const finished: Results.Attempt = { outcome, startupTimeMs, destroyed, ...collected }
  return finished
}, Effect.scoped)

/** What an attempt came to: an end of its program, or a failure of the infrastructure with whatever is known of the program. */
const tryOnce = (shared: Shared, execution: Execution, timeout: number) =>
  attempt(shared, execution, timeout).pipe(
    Effect.ensuring(Effect.sync(() => execution.meter.end())),
    Effect.match({
      onFailure: (failure) => ({ attempt: undefined, failure }),
      onSuccess: (attempt) =>
        attempt.outcome.ending._tag === "Lost"
          ? { attempt, failure: attempt.outcome.ending.failure }
          : { attempt, failure: undefined }
    })
  )

/** Runs an admitted execution to its end, retrying what the infrastructure failed. */
export const run = Effect.fnUntraced(function* (shared: Shared, execution: Execution) {
  const { executionId, killSwitch, limits, queueTimeMs, request } = execution
  const deadline = (yield* Clock.currentTimeMillis) + execution.timeout * 1000
  let timeout = execution.timeout
  let retries = 0
  let last: Results.Attempt | undefined
  const circumstances = () => ({ executionId, queueTimeMs, timeout, limits, retries })
  const killed = ({ reason }: KillRequest) => Results.ofKill(circumstances(), reason)
  let backoff: Backoff | undefined

  for (;;) {
    const { attempt, failure } = yield* tryOnce(shared, execution, timeout)
    if (failure === undefined) return Results.ofAttempt(circumstances(), attempt)
    if (failure._tag === "KilledEarly") return killed(failure)
    last = attempt ?? last
    const giveUp = Results.ofFailure(circumstances(), last, failure)
    if (!Retries.isRetryable(failure, request.retryOnFailure)) return giveUp
    backoff ??= yield* Schedule.driver(Retries.schedule(limits, deadline))
    const again = yield* Effect.isSuccess(unlessKilled(killSwitch)(backoff.next(failure)))
    if (killSwitch.request !== undefined) return killed(killSwitch.request)
    if (!again) return giveUp
    retries++
    const message = `Retry ${retries} of ${limits.maxRetries}`
    yield* shared.books.happened(execution, "warn", "execution_retry", message, { reason: failure.message })
    timeout = Math.max(1, deadline - (yield* Clock.currentTimeMillis)) / 1000
  }
})
