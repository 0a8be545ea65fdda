import {
  type ExecutionEnded,
  type ExecutionEvent,
  type ExecutionExists,
  type ExecutionId,
  type ExecutionMetrics,
  ExecutionNotFound,
  type ExecutionRecord,
  type ExecutionRequestInput,
  type ExecutionResult,
  type ExecutionState,
  type ExecutionSummary,
  type Refusal,
  type SystemMetrics,
  type UserId,
  type UserMetrics
} from "@bulkhead/domain"
import { type ConfigError, Context, Deferred, Duration, Effect, Fiber, Layer, Option } from "effect"
import * as Admission from "./Admission.js"
import { execute } from "./Execute.js"
import { ExecutionLog } from "./ExecutionLog.js"
import * as ExecutionRegistry from "./ExecutionRegistry.js"
import { Limits, type LimitValues } from "./Limits.js"
import type { SandboxFailure, SandboxProvider } from "./SandboxProvider.js"
import type { Shared } from "./Shared.js"
import { type Runtime, Toolchain } from "./Toolchain.js"
import * as TrackedWork from "./TrackedWork.js"

export interface ExecuteOptions {
  /** Who asks, whatever the request says. */
  readonly userId?: UserId
}

export interface ExecutionFilter {
  readonly userId?: UserId
  readonly state?: ExecutionState
}

/** How long the last kills of a shutdown may take. */
const shutdownBound = Duration.seconds(15)

const percent = (active: number, limit: number) => Math.round((100 * active) / limit)

const matches = (filter: ExecutionFilter) => (execution: ExecutionSummary) =>
  (filter.userId === undefined || execution.userId === filter.userId) &&
  (filter.state === undefined || execution.state === filter.state)

const make = Effect.gen(function* () {
  const limits = yield* Limits
  const log = yield* ExecutionLog
  const toolchain = yield* Toolchain
  const shared: Shared = {
    registry: yield* ExecutionRegistry.make,
    admission: yield* Admission.make,
    closing: yield* Deferred.make<void>()
  }
  const { registry, admission, closing } = shared
  const tracked = yield* TrackedWork.make(shared)
  const context = yield* Effect.context<Limits | ExecutionLog | Toolchain | SandboxProvider>()

  const drain = Effect.gen(function* () {
    yield* Deferred.succeed(closing, undefined)
    const reason = "the service is shutting down"
    yield* registry.killAll(["tracked"], { reason, graceful: false })
    const finished = yield* registry.idle.pipe(Effect.timeoutOption(Duration.seconds(limits.killGracePeriod)))
    if (Option.isSome(finished)) return
    yield* registry.killAll(["queued", "starting", "running"], { reason, graceful: false })
    yield* registry.idle.pipe(Effect.timeoutOption(shutdownBound))
  }).pipe(Effect.withSpan("SandboxService.shutdown"))
  // In a fiber of its own: within a finalizer nothing can be interrupted, and so no wait would ever be bounded.
  const shutdown = Effect.flatMap(Effect.forkDaemon(Effect.interruptible(drain)), Fiber.join)
  yield* Effect.addFinalizer(() => shutdown)

  return SandboxService.of({
    execute: (request, options) => execute(shared, request, options?.userId).pipe(Effect.provide(context)),
    canStartExecution: admission.canStart,
    startExecution: (executionId, userId, timeout) =>
      tracked.start(executionId, userId, timeout).pipe(Effect.provide(context)),
    endExecution: (executionId, metrics) => tracked.end(executionId, metrics).pipe(Effect.provide(context)),
    killExecution: (executionId, reason = "user_request") =>
      registry
        .kill(executionId, { reason, graceful: true })
        .pipe(Effect.withSpan("SandboxService.killExecution")),
    getSystemMetrics: Effect.map(registry.counts(), ({ active, queued, users }) => ({
      activeExecutions: active,
      queuedExecutions: queued,
      totalUsers: users,
      utilizationPercent: percent(active, limits.maxConcurrentSandboxes)
    })),
    getUserMetrics: (userId) =>
      Effect.map(registry.counts(userId), ({ active, queued }) => ({
        activeExecutions: active,
        queuedExecutions: queued,
        utilizationPercent: percent(active, limits.maxSandboxesPerUser)
      })),
    getLogs: (executionId) =>
      Effect.flatMap(
        log.read(executionId),
        Option.match({ onNone: () => new ExecutionNotFound({ executionId }), onSome: Effect.succeed })
      ),
    listExecutions: (filter = {}) =>
      Effect.map(registry.list, (executions) => executions.filter(matches(filter))),
    getExecution: registry.find,
    runtimes: Effect.map(toolchain.facts, ({ runtimes }) => runtimes),
    shutdown
  })
})

/** Runs code nobody has read, and can be believed when it says what happened. */
export class SandboxService extends Context.Tag("@bulkhead/sandbox/SandboxService")<
  SandboxService,
  {
    /**
     * Runs a program in a fresh sandbox. Succeeds with a result whatever came of the program; fails only when the request is
     * turned away before any sandbox is asked for. Interrupting it kills the program and destroys the sandbox; what the program
     * had written by then is in the result that `getExecution` gives.
     */
    readonly execute: (
      request: ExecutionRequestInput,
      options?: ExecuteOptions
    ) => Effect.Effect<ExecutionResult, Refusal>
    /** Whether an execution of this user would start at once, and why not. */
    readonly canStartExecution: (userId: UserId) => Effect.Effect<Admission.Admissibility>
    /**
     * Counts work that runs elsewhere against the limits, without waiting for a place. When `timeout` (seconds, the limits' default
     * unless told) passes without `endExecution`, the work counts as timed out and its place is free again.
     */
    readonly startExecution: (
      executionId: ExecutionId,
      userId: UserId,
      timeout?: number
    ) => Effect.Effect<void, Refusal | ExecutionExists>
    /** Ends what `startExecution` began. */
    readonly endExecution: (
      executionId: ExecutionId,
      metrics?: Partial<ExecutionMetrics> & Readonly<Record<string, unknown>>
    ) => Effect.Effect<void, ExecutionNotFound | ExecutionEnded>
    /** Ends an execution, waiting or running: SIGTERM, grace, SIGKILL, and its sandbox is destroyed. Returns once it is asked for. */
    readonly killExecution: (
      executionId: ExecutionId,
      reason?: string
    ) => Effect.Effect<void, ExecutionNotFound | ExecutionEnded>
    readonly getSystemMetrics: Effect.Effect<SystemMetrics>
    /** An unknown user's are all zeros. */
    readonly getUserMetrics: (userId: UserId) => Effect.Effect<UserMetrics>
    /** The events of one execution, oldest first. */
    readonly getLogs: (
      executionId: ExecutionId
    ) => Effect.Effect<ReadonlyArray<ExecutionEvent>, ExecutionNotFound>
    /** Executions that wait or run, and the latest that ended, newest first. */
    readonly listExecutions: (filter?: ExecutionFilter) => Effect.Effect<ReadonlyArray<ExecutionSummary>>
    /** One execution, with its result if that is still kept. */
    readonly getExecution: (executionId: ExecutionId) => Effect.Effect<ExecutionRecord, ExecutionNotFound>
    /** The languages that the sandboxes' toolchain can run. Looked up once, in a sandbox. */
    readonly runtimes: Effect.Effect<ReadonlyArray<Runtime>, SandboxFailure>
    /** Refuses new work, lets what runs finish within the kill grace period, then kills it. Returns when nothing is left. */
    readonly shutdown: Effect.Effect<void>
  }
>() {
  /** Every part to be provided: limits, log and toolchain beside the provider. */
  static readonly layerBare: Layer.Layer<
    SandboxService,
    never,
    Limits | ExecutionLog | Toolchain | SandboxProvider
  > = Layer.scoped(SandboxService, make)

  /** With the specification's limits, some of them set otherwise, and a log in memory. */
  static layer(limits: Partial<LimitValues> = {}): Layer.Layer<SandboxService, never, SandboxProvider> {
    return withMemory(Limits.layer(limits))
  }

  /** With limits from the environment, and a log in memory. */
  static readonly layerFromEnv: Layer.Layer<SandboxService, ConfigError.ConfigError, SandboxProvider> =
    Layer.suspend(() => withMemory(Limits.layerFromEnv))
}

const withMemory = <E>(limits: Layer.Layer<Limits, E>) =>
  SandboxService.layerBare.pipe(
    Layer.provide(limits),
    Layer.provide(ExecutionLog.layerMemory()),
    Layer.provide(Toolchain.layer)
  )
