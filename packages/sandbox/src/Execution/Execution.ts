import type { ExecutionId, ExecutionRequest, UserId } from "@bulkhead/domain"
import { Cause, Duration, Effect, Either, Exit, Schedule } from "effect"
import { type CollectedArtifacts, defaultOutputDir } from "../ArtifactGate.js"
import type { LimitValues } from "../Limits.js"
import type { Meter } from "../Record/Meter.js"
import type { HeldSandbox } from "../Sandboxes/HeldSandbox.js"
import type { SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import { lifetimeFor } from "../Sandboxes/SandboxSupply.js"
import type { Facts, Runtime } from "../Sandboxes/Toolchain.js"
import type { Shared } from "../Shared.js"
import * as Program from "../Supervision/Program.js"
import { type Outcome, supervise } from "../Supervision/Supervision.js"
import { type KillRequest, type KillSwitch, unlessKilled } from "./KillSwitch.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"

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

/** Must be beyond guessing: it is what tells the supervisor's words from the program's. */
const makeNonce = () => globalThis.crypto.randomUUID()

/** A fresh sandbox with the program's files in it. Whoever comes by the sandbox first holds it. */
const prepare = (
  { books, sandboxes }: Shared,
  execution: Execution,
  { files }: Program.Program,
  onHeld: (sandbox: HeldSandbox) => void
) => {
  const { executionId, limits, meter, timeout } = execution
  return Effect.flatMap(sandboxes.create({ executionId }, lifetimeFor(timeout, limits)), (sandbox) => {
    onHeld(sandbox)
    meter.begin()
    books.happened(execution, "info", "sandbox_created", "Sandbox created", { sandboxId: sandbox.id })
    const ready = Effect.succeed(sandbox)
    return files.length === 0 ? ready : Effect.zipRight(Effect.interruptible(sandbox.write(files)), ready)
  })
}

const destroy = ({ books }: Shared, execution: Execution, { id, release }: HeldSandbox) =>
  Effect.map(release, (destroyed) => {
    if (destroyed)
      books.happened(execution, "info", "sandbox_destroyed", "Sandbox destroyed", { sandboxId: id })
    else books.happened(execution, "error", "sandbox_leaked", "Sandbox not destroyed", { sandboxId: id })
    return destroyed
  })

const nothingCollected: CollectedArtifacts = { artifacts: [], rejected: [] }

const notCollected = (outputDir: string, why: string): CollectedArtifacts => ({
  artifacts: [],
  rejected: [{ name: outputDir, reason: `Artifact validation failed: ${why}` }]
})

/** What the program left in its output directory. Where a process of its own may still be at work there, nothing can be trusted. */
const collect = (
  { gate }: Shared,
  { executionId, killSwitch, limits, request }: Execution,
  sandbox: HeldSandbox,
  { report }: Outcome
): Effect.Effect<CollectedArtifacts> => {
  if (!report?.outputs) return Effect.succeed(nothingCollected)
  const outputDir = request.outputDir ?? defaultOutputDir
  if (report.survivors > 0)
    return Effect.succeed(notCollected(outputDir, "processes of the program survived"))
  return unlessKilled(killSwitch)(gate.collect({ executionId, sandbox, limits, outputDir })).pipe(
    Effect.catchTag("KilledEarly", () => Effect.succeed(notCollected(outputDir, "the execution was killed")))
  )
}

/**
 * One fresh sandbox, one run of at most `timeout` seconds. What it came to: an end of the program, or a failure of the infrastructure with
 * whatever is known of the program.
 */
const tryOnce = Effect.fnUntraced(function* (shared: Shared, execution: Execution, timeout: number) {
  const { books, clock, registry, timers } = shared
  const { executionId, killSwitch, limits, meter, request, runtime, supervisor } = execution
  const program = Program.layOut(request, runtime, supervisor, limits, timeout, makeNonce())
  const askedAt = clock.unsafeCurrentTimeMillis()
  let startupTimeMs = 0
  const held: { sandbox?: HeldSandbox } = {}
  const supervised = supervise({
    prepare: Effect.map(
      prepare(shared, execution, program, (sandbox) => {
        held.sandbox = sandbox
      }),
      (sandbox) => {
        startupTimeMs = clock.unsafeCurrentTimeMillis() - askedAt
        return sandbox
      }
    ),
    program,
    limits,
    timeout: Duration.millis(Math.round(timeout * 1000)),
    killSwitch,
    timers,
    onStart: () => {
      registry.enter(executionId, "running")
      books.happened(execution, "info", "program_started", "Program started")
    },
    onSignal: ({ signal, atMs }) =>
      books.happened(execution, "warn", "signal_sent", `${signal} sent to every process after ${atMs} ms`)
  })
  const finished = yield* Effect.exit(
    Effect.flatMap(supervised, (outcome) =>
      Effect.map(
        held.sandbox ? collect(shared, execution, held.sandbox, outcome) : Effect.succeed(nothingCollected),
        (collected) => ({ outcome, ...collected })
      )
    )
  )
  const destroyed = held.sandbox === undefined || (yield* destroy(shared, execution, held.sandbox))
  meter.end()
  if (Exit.isSuccess(finished)) {
    const attempt: Results.Attempt = { ...finished.value, startupTimeMs, destroyed }
    const { ending } = attempt.outcome
    return ending._tag === "Lost" ? { attempt, failure: ending.failure } : { attempt, failure: undefined }
  }
  const failure = Cause.failureOrCause(finished.cause)
  return Either.isLeft(failure)
    ? { attempt: undefined, failure: failure.left }
    : yield* Effect.failCause(failure.right)
})

/** Runs an admitted execution to its end, retrying what the infrastructure failed. To be run where nothing interrupts it. */
export const run = Effect.fnUntraced(function* (shared: Shared, execution: Execution) {
  const { books, clock } = shared
  const { executionId, killSwitch, limits, queueTimeMs, request } = execution
  const deadline = clock.unsafeCurrentTimeMillis() + execution.timeout * 1000
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
    books.happened(execution, "warn", "execution_retry", message, { reason: failure.message })
    timeout = Math.max(1, deadline - clock.unsafeCurrentTimeMillis()) / 1000
  }
})
