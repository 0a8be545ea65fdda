import type { EventLevel, EventName, ExecutionId, ExecutionRequest, UserId } from "@bulkhead/domain"
import { Clock, Context, Data, Deferred, Duration, Effect, Layer } from "effect"
import { ExecutionLog } from "./ExecutionLog.js"
import type { KillRequest } from "./ExecutionRegistry.js"
import { Limits } from "./Limits.js"
import * as Program from "./Program.js"
import * as Results from "./Results.js"
import * as Retries from "./Retries.js"
import { Sandbox, SandboxProvider } from "./SandboxProvider.js"
import { supervise } from "./Supervisor.js"
import type { Facts, Runtime } from "./Toolchain.js"

/** A request that has been admitted. */
export interface Execution {
  readonly executionId: ExecutionId
  readonly userId: UserId
  readonly request: ExecutionRequest
  readonly runtime: Runtime
  readonly supervisor: Facts["supervisor"]
  /** Seconds of wall time. */
  readonly timeout: number
  readonly queueTimeMs: number
  /** Completes when somebody asks for the execution to end. */
  readonly killed: Deferred.Deferred<KillRequest>
  /** Told when the program starts. */
  readonly onStart: Effect.Effect<void>
}

/** The execution was killed before its program ran. */
export class KilledEarly extends Data.TaggedError("KilledEarly")<KillRequest> {}

/** How long the end of a sandbox may take before we go on and leave the rest to its finalizer. */
const destroyBound = Duration.seconds(10)

/** A sandbox lives this much longer than its program may, for what comes before and after. */
const lifetimeMargin = Duration.seconds(60)

/** Writes one event of an execution to its log. */
export const logEvent = Effect.fnUntraced(function* (
  { executionId, userId }: Pick<Execution, "executionId" | "userId">,
  level: EventLevel,
  event: EventName,
  message: string,
  data?: Readonly<Record<string, unknown>>
) {
  const log = yield* ExecutionLog
  const timestamp = yield* Clock.currentTimeMillis
  yield* log.append({ timestamp, executionId, userId, level, event, message, ...(data ? { data } : {}) })
})

/** Fails when the execution is killed while the effect runs. */
export const unlessKilled =
  (killed: Execution["killed"]) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(
      effect,
      Effect.flatMap(Deferred.await(killed), (request) => new KilledEarly(request))
    )

/** Must be beyond guessing: it is what tells the supervisor's words from the program's. */
const makeNonce = Effect.sync(() => globalThis.crypto.randomUUID())

const startSandbox = Effect.fnUntraced(function* (execution: Execution, program: Program.Program) {
  const limits = yield* Limits
  const provider = yield* SandboxProvider
  const lifetime = Duration.sum(Duration.seconds(execution.timeout + limits.killGracePeriod), lifetimeMargin)
  const metadata = { service: "bulkhead", executionId: execution.executionId }
  const sandbox = Context.get(yield* Layer.build(provider.sandbox({ metadata, lifetime })), Sandbox)
  yield* logEvent(execution, "info", "sandbox_created", "Sandbox created", { sandboxId: sandbox.id })
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
    ? logEvent(execution, "info", "sandbox_destroyed", "Sandbox destroyed", { sandboxId: sandbox.id })
    : logEvent(execution, "error", "sandbox_leaked", "Sandbox not destroyed", { sandboxId: sandbox.id })
  return destroyed
})

/** One fresh sandbox, one run. What befalls the program once it runs is an outcome, not a failure. */
const attempt = Effect.fn("Execution.attempt")(function* (execution: Execution) {
  const { request, runtime, supervisor, timeout } = execution
  const nonce = yield* makeNonce
  const program = Program.layOut(request, runtime, supervisor, yield* Limits, timeout, nonce)
  const [startup, sandbox] = yield* startSandbox(execution, program).pipe(
    unlessKilled(execution.killed),
    Effect.timed
  )
  const outcome = yield* supervise({
    program,
    timeout: Duration.seconds(timeout),
    killed: execution.killed,
    onStart: Effect.zipRight(
      execution.onStart,
      logEvent(execution, "info", "program_started", "Program started")
    ),
    onSignal: ({ signal, atMs }) =>
      logEvent(execution, "warn", "signal_sent", `${signal} sent to every process after ${atMs} ms`)
  }).pipe(Effect.provideService(Sandbox, sandbox))
  const destroyed = yield* destroy(execution, sandbox)
  const startupTimeMs = Math.round(Duration.toMillis(startup))
  const finished: Results.Attempt = { outcome, startupTimeMs, destroyed }
  return finished
}, Effect.scoped)

/** Runs an admitted execution to its end, retrying what the infrastructure failed. */
export const run = Effect.fn("Execution.run")(function* (execution: Execution) {
  const limits = yield* Limits
  const { killed, request, ...admitted } = execution
  let retries = -1
  let attempting = false
  let last: Results.Attempt | undefined
  const circumstances = () => ({ ...admitted, limits, retries })

  const once = Effect.gen(function* () {
    attempting = true
    retries++
    if (retries > 0) {
      yield* logEvent(execution, "warn", "execution_retry", `Retry ${retries} of ${limits.maxRetries}`)
    }
    last = undefined
    last = yield* attempt(execution)
    if (last.outcome.ending._tag === "Lost") return yield* last.outcome.ending.failure
    return Results.ofAttempt(circumstances(), last)
  }).pipe(
    Effect.catchTag("KilledEarly", ({ reason }) => Effect.succeed(Results.ofKill(circumstances(), reason))),
    Effect.ensuring(Effect.sync(() => (attempting = false)))
  )

  const killedWhileWaiting = Effect.flatMap(Deferred.await(killed), ({ reason }) =>
    // An attempt under way sees the kill itself, and ends with what its program has written.
    attempting ? Effect.never : Effect.succeed(Results.ofKill(circumstances(), reason))
  )

  return yield* once.pipe(
    Effect.retry({
      while: (failure) => Retries.isRetryable(failure, request.retryOnFailure),
      schedule: Retries.schedule(limits)
    }),
    Effect.catchAll((failure) => Effect.succeed(Results.ofFailure(circumstances(), last, failure))),
    Effect.raceFirst(killedWhileWaiting)
  )
})
