import type { ExecutionId, ExecutionRequest, UserId } from "@bulkhead/domain"
import { Clock, type Context, Duration, Effect, Schedule } from "effect"
import { ArtifactGate, type CollectedArtifacts, defaultOutputDir } from "./ArtifactGate.js"
import * as Books from "./Books.js"
import { KilledEarly, type KillSwitch, unlessKilled } from "./KillSwitch.js"
import type { LimitValues } from "./Limits.js"
import * as Program from "./Program.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"
import { Sandboxes } from "./Sandboxes.js"
import type { Sandbox } from "./SandboxProvider.js"
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
  /** Counts how long its sandboxes lived. */
  readonly meter: { sandboxMs: number }
  /** Told when the program starts. */
  readonly onStart: Effect.Effect<void>
}

/** How long the end of a sandbox may take before we go on and leave the rest to its finalizer. */
const destroyBound = Duration.seconds(10)

/** A sandbox lives this much longer than its program may, for what comes before and after. */
const lifetimeMargin = Duration.seconds(60)

/** Must be beyond guessing: it is what tells the supervisor's words from the program's. */
const makeNonce = Effect.sync(() => globalThis.crypto.randomUUID())

const startSandbox = Effect.fnUntraced(function* (execution: Execution, program: Program.Program) {
  const { executionId, limits, timeout } = execution
  const lifetime = Duration.sum(Duration.seconds(timeout + limits.killGracePeriod), lifetimeMargin)
  const sandbox = yield* (yield* Sandboxes).acquire({ executionId }, lifetime)
  const livesSince = yield* Clock.currentTimeMillis
  yield* Effect.addFinalizer(() =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      execution.meter.sandboxMs += now - livesSince
    })
  )
  yield* Books.happened(execution, "info", "sandbox_created", "Sandbox created", { sandboxId: sandbox.id })
  if (program.files.length > 0) yield* sandbox.write(program.files)
  return sandbox
})

const destroy = Effect.fnUntraced(function* (execution: Execution, sandbox: Context.Tag.Service<Sandbox>) {
  const destroyed = yield* sandbox.destroy.pipe(
    Effect.tapError((failure) => Effect.logWarning("Sandbox not destroyed", failure)),
    Effect.isSuccess,
    Effect.disconnect,
    Effect.timeoutTo({ duration: destroyBound, onSuccess: (done) => done, onTimeout: () => false })
  )
  yield* destroyed
    ? Books.happened(execution, "info", "sandbox_destroyed", "Sandbox destroyed", { sandboxId: sandbox.id })
    : Books.happened(execution, "error", "sandbox_leaked", "Sandbox not destroyed", { sandboxId: sandbox.id })
  return destroyed
})

const nothingCollected: CollectedArtifacts = { artifacts: [], rejected: [] }

const notCollected = (outputDir: string, why: string): CollectedArtifacts => ({
  artifacts: [],
  rejected: [{ name: outputDir, reason: `Artifact validation failed: ${why}` }]
})

/** What the program left in its output directory. Where a process of its own may still be at work there, nothing can be trusted. */
const collect = Effect.fnUntraced(function* (
  { executionId, killSwitch, limits, request }: Execution,
  sandbox: Context.Tag.Service<Sandbox>,
  { report }: Outcome
) {
  if (!report?.outputs) return nothingCollected
  const outputDir = request.outputDir ?? defaultOutputDir
  if (report.survivors > 0) return notCollected(outputDir, "processes of the program survived")
  const { collect } = yield* ArtifactGate
  return yield* unlessKilled(killSwitch)(collect({ executionId, sandbox, limits, outputDir })).pipe(
    Effect.catchTag("KilledEarly", () => Effect.succeed(notCollected(outputDir, "the execution was killed")))
  )
})

/** One fresh sandbox, one run of at most `timeout` seconds. What befalls the program once it runs is an outcome, not a failure. */
const attempt = Effect.fnUntraced(function* (execution: Execution, timeout: number) {
  const { killSwitch, limits, request, runtime, supervisor } = execution
  const program = Program.layOut(request, runtime, supervisor, limits, timeout, yield* makeNonce)
  const askedAt = yield* Clock.currentTimeMillis
  const sandbox = yield* unlessKilled(killSwitch)(startSandbox(execution, program))
  const startupTimeMs = (yield* Clock.currentTimeMillis) - askedAt
  const outcome = yield* supervise({
    sandbox,
    program,
    limits,
    timeout: Duration.millis(Math.round(timeout * 1000)),
    killSwitch,
    onStart: Effect.zipRight(
      execution.onStart,
      Books.happened(execution, "info", "program_started", "Program started")
    ),
    onSignal: ({ signal, atMs }) =>
      Books.happened(execution, "warn", "signal_sent", `${signal} sent to every process after ${atMs} ms`)
  })
  const collected = yield* collect(execution, sandbox, outcome)
  const destroyed = yield* destroy(execution, sandbox)
  const finished: Results.Attempt = { outcome, startupTimeMs, destroyed, ...collected }
  return finished
}, Effect.scoped)

/** What an attempt came to: an end of its program, or a failure of the infrastructure with whatever is known of the program. */
const tryOnce = (execution: Execution, timeout: number) =>
  attempt(execution, timeout).pipe(
    Effect.map((attempt) =>
      attempt.outcome.ending._tag === "Lost"
        ? { attempt, failure: attempt.outcome.ending.failure }
        : { attempt, failure: undefined }
    ),
    Effect.catchTag("SandboxFailure", (failure) => Effect.succeed({ attempt: undefined, failure }))
  )

/** Runs an admitted execution to its end, retrying what the infrastructure failed. */
export const run = Effect.fnUntraced(function* (execution: Execution) {
  const { executionId, killSwitch, limits, queueTimeMs, request } = execution
  const deadline = (yield* Clock.currentTimeMillis) + execution.timeout * 1000
  const backoff = yield* Schedule.driver(Retries.schedule(limits, deadline))
  let timeout = execution.timeout
  let retries = 0
  let last: Results.Attempt | undefined
  const circumstances = () => ({ executionId, queueTimeMs, timeout, limits, retries })

  const untilItEnds = Effect.gen(function* () {
    for (;;) {
      const tried = yield* tryOnce(execution, timeout)
      if (tried.failure === undefined) return Results.ofAttempt(circumstances(), tried.attempt)
      const { attempt = last, failure } = tried
      last = attempt
      const giveUp = Results.ofFailure(circumstances(), attempt, failure)
      if (!Retries.isRetryable(failure, request.retryOnFailure)) return giveUp
      const again = yield* Effect.isSuccess(unlessKilled(killSwitch)(backoff.next(failure)))
      if (killSwitch.request !== undefined) return yield* new KilledEarly(killSwitch.request)
      if (!again) return giveUp
      retries++
      const message = `Retry ${retries} of ${limits.maxRetries}`
      yield* Books.happened(execution, "warn", "execution_retry", message, { reason: failure.message })
      timeout = Math.max(1, deadline - (yield* Clock.currentTimeMillis)) / 1000
    }
  })
  return yield* Effect.catchTag(untilItEnds, "KilledEarly", ({ reason }) =>
    Effect.succeed(Results.ofKill(circumstances(), reason))
  )
})
