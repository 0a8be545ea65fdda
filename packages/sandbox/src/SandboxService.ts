import {
  type AdmissionUnreachable,
  type AuditVerification,
  ExecutionEnded,
  type ExecutionEvent,
  type ExecutionExists,
  type ExecutionId,
  type ExecutionMetrics,
  type ExecutionNotFound,
  type ExecutionRecord,
  type ExecutionRequestInput,
  type ExecutionResult,
  type ExecutionSummary,
  type ExecutionUpdate,
  type ImageList,
  type LimitChanges,
  type LimitsRefused,
  type LimitValues,
  type NetworkPolicy,
  type Page,
  type PageRequest,
  type QuotaExceeded,
  type Readiness,
  type RecordUnavailable,
  type Refusal,
  type Replica,
  type SystemAtCapacity,
  type SystemMetrics,
  type UpdateId,
  type UserId,
  type UserMetrics,
  type UserUsage
} from "@bulkhead/domain"
import { type ConfigError, Context, Duration, Effect, Layer, Option, Ref, type Scope, Stream } from "effect"
import { type Admissibility, Admission } from "./Admission/Admission.js"
import { GpuSupply } from "./Admission/GpuSupply.js"
import { type Holder, RequestBudget } from "./Admission/RequestBudget.js"
import { ArtifactCollector } from "./ArtifactCollector.js"
import { CodeAnalyzer } from "./CodeAnalyzer.js"
import * as ExecutionQueries from "./Execution/ExecutionQueries.js"
import { forgotten, Idempotency } from "./Execution/Idempotency.js"
import { LiveExecutions, shuttingDown } from "./Execution/LiveExecutions.js"
import { Peers } from "./Execution/OwnExecutions.js"
import * as Recovery from "./Execution/Recovery.js"
import { Replicas } from "./Execution/Replicas.js"
import * as Submission from "./Execution/Submission.js"
import * as TrackedWork from "./Execution/TrackedWork.js"
import { UserInstruments } from "./Instruments/ExecutionInstruments.js"
import { KeptSecrets } from "./KeptSecrets.js"
import { change, Limits } from "./Limits.js"
import { LimitsInForce } from "./LimitsInForce.js"
import { ExecutionLog, unavailable } from "./Record/ExecutionLog.js"
import {
  type EventQuery,
  type ExecutionQuery,
  ExecutionStore,
  StoreFailure,
  type UsageQuery
} from "./Record/ExecutionStore.js"
import { IdempotencyKeys } from "./Record/IdempotencyKeys.js"
import * as MemoryExecutionStore from "./Record/MemoryExecutionStore.js"
import { Prices } from "./Record/Prices.js"
import * as ImageListing from "./Sandboxes/ImageListing.js"
import { Images } from "./Sandboxes/Images.js"
import type { SandboxFailure, SandboxProvider } from "./Sandboxes/SandboxProvider.js"
import { SandboxSupply } from "./Sandboxes/SandboxSupply.js"
import { type Runtime, Toolchain } from "./Sandboxes/Toolchain.js"
import { ExecutionUpdates } from "./Updates/ExecutionUpdates.js"
import * as ReadUpdates from "./Updates/ReadUpdates.js"
import { beginning } from "./Updates/UpdatePosition.js"
import { Uploads } from "./Uploads.js"
import { Webhooks } from "./Webhooks/Webhooks.js"

export interface ExecuteOptions {
  /** Who asks, whatever the request says. */
  readonly userId?: UserId
}

export interface UpdatesOptions {
  /** The id of the last update that the reader has seen. None by default: from the beginning. */
  readonly after?: UpdateId | undefined
}

/** An execution that has been accepted: by this request, or by an earlier one with its idempotency key. */
export interface BegunExecution {
  readonly summary: ExecutionSummary
  /** As of `stream`. While nobody reads it, the execution goes on. */
  readonly updates: Stream.Stream<ExecutionUpdate, RecordUnavailable>
}

/** How long the last kills of a shutdown may take. */
const shutdownBound = Duration.seconds(15)

const withReason = (what: string, reason: string | undefined) =>
  reason === undefined ? what : `${what}: ${reason}`

const percent = (active: number, limit: number) => Math.round((100 * active) / limit)

/** What the way of an execution uses. */
const parts = [
  Admission,
  ExecutionLog,
  ExecutionStore,
  ExecutionUpdates,
  Idempotency,
  LimitsInForce,
  LiveExecutions,
  RequestBudget,
  SandboxSupply,
  Toolchain
] as const

type Parts = Context.Tag.Identifier<(typeof parts)[number]>

/** Without what else is there, such as the span in which the service was made. */
const ownContext = Effect.map(
  Effect.all([
    Effect.context<Parts>(),
    ArtifactCollector,
    CodeAnalyzer,
    Images,
    KeptSecrets,
    Peers,
    Prices,
    Uploads,
    UserInstruments,
    Webhooks
  ]),
  ([context, artifacts, analyzer, images, secrets, peers, prices, uploads, users, webhooks]) =>
    Context.pick(...parts)(context).pipe(
      Context.add(ArtifactCollector, artifacts),
      Context.add(CodeAnalyzer, analyzer),
      Context.add(Images, images),
      Context.add(KeptSecrets, secrets),
      Context.add(Peers, peers),
      Context.add(Prices, prices),
      Context.add(Uploads, uploads),
      Context.add(UserInstruments, users),
      Context.add(Webhooks, webhooks)
    )
)

const make = Effect.gen(function* () {
  const context = yield* ownContext
  const admission = yield* Admission
  const requestBudget = yield* RequestBudget
  const inForce = yield* LimitsInForce
  const live = yield* LiveExecutions
  const log = yield* ExecutionLog
  const peers = yield* Peers
  const store = yield* ExecutionStore
  const supply = yield* SandboxSupply
  const toolchain = yield* Toolchain
  const queries = yield* ExecutionQueries.make
  const tracked = yield* TrackedWork.make
  const artifacts = yield* ArtifactCollector
  const executionUpdates = yield* ExecutionUpdates
  const replicas = yield* Replicas
  const webhooks = yield* Webhooks
  const uploads = yield* Uploads
  yield* Effect.orDie(Recovery.closeUnfinished)
  yield* Recovery.keepClosing((yield* Ref.get(inForce)).reaperInterval)

  const killExecution = Effect.fn("SandboxService.killExecution")(function* (
    executionId: ExecutionId,
    reason = "user_request"
  ) {
    const request = { reason, graceful: true }
    if (yield* live.kill(executionId, request)) return
    if (yield* peers.kill(executionId, request)) return
    const { state } = yield* queries.find(executionId)
    if (state === "ended") return yield* new ExecutionEnded({ executionId })
    return yield* new StoreFailure({
      message: "The execution could not be killed",
      reason: "the server that runs the execution gives no sign of life; without one, others soon end it"
    })
  })

  const updates = (executionId: ExecutionId, { after }: UpdatesOptions = {}) =>
    Stream.provideContext(ReadUpdates.of(executionId, after), context)

  /** Who was told that an execution is there must not be told that it is not. */
  const readingOn = (executionId: ExecutionId) =>
    Stream.mapError(updates(executionId), () => unavailable(executionId))

  const beginAny = Effect.fnUntraced(function* (
    request: ExecutionRequestInput,
    options: ExecuteOptions | undefined,
    isSubmitted: boolean
  ) {
    const begun = yield* Effect.provide(Submission.begin(request, options?.userId, isSubmitted), context)
    const { executionId } = begun
    const summary = yield* Effect.catchTags(queries.find(executionId), {
      StoreFailure: () => unavailable(executionId),
      ExecutionNotFound: () => forgotten(executionId)
    })
    return { ...begun, summary }
  })

  const begin = Effect.fn("SandboxService.begin")(function* (
    request: ExecutionRequestInput,
    options?: ExecuteOptions
  ) {
    const { executionId, leave, summary, updates } = yield* beginAny(request, options, false)
    const read = updates?.from(beginning) ?? readingOn(executionId)
    const execution: BegunExecution = {
      summary,
      updates: leave === undefined ? read : Stream.ensuring(read, leave)
    }
    return execution
  })

  /** Whoever is told its name finds it again, also after a crash; otherwise it must not run, unless others know it. */
  const submit = Effect.fn("SandboxService.submit")(function* (
    input: ExecutionRequestInput,
    options?: ExecuteOptions
  ) {
    const { executionId, isNew, summary } = yield* beginAny(input, options, true)
    const request = { reason: "it could not be recorded", graceful: false, isUnrecorded: true }
    const kill = live.kill(executionId, request)
    // What is new and does not wait was recorded before it had its turn.
    if (summary.state === "queued" || !isNew)
      yield* Effect.tapError(log.kept(executionId), () => Effect.when(kill, () => isNew))
    return summary
  })

  const changeLimits = Effect.fn("SandboxService.changeLimits")(function* (changes: LimitChanges) {
    const before = yield* Ref.get(inForce)
    const limits = yield* change(before, changes)
    yield* Ref.set(inForce, limits)
    const takeBack = Ref.update(inForce, (now) => (now === limits ? before : now))
    // Where replicas are one, all of them have to know.
    yield* Effect.onError(admission.adjust(limits), () => takeBack)
    return limits
  })

  /** Whether nothing is left in time. */
  const idleWithin = (bound: Duration.Duration) =>
    live.idle.pipe(Effect.interruptible, Effect.timeoutOption(bound), Effect.map(Option.isSome))

  const shutdown = Effect.gen(function* () {
    const { killGracePeriod } = yield* Ref.get(inForce)
    yield* live.close
    yield* admission.dismiss(shuttingDown)
    const request = { reason: "the service is shutting down", graceful: false }
    yield* live.killAll(["tracked"], request)
    if (yield* idleWithin(Duration.seconds(killGracePeriod))) return
    yield* live.killAll(["queued", "starting", "running"], request)
    yield* idleWithin(shutdownBound)
  }).pipe(Effect.ensuring(executionUpdates.close), Effect.withSpan("SandboxService.shutdown"))
  yield* Effect.addFinalizer(() => shutdown)

  return SandboxService.of({
    execute: Effect.fn("SandboxService.execute")(
      (request: ExecutionRequestInput, options?: ExecuteOptions) =>
        Submission.submit(request, options?.userId),
      Effect.provide(context)
    ),
    begin,
    stream: (request, options) =>
      Stream.unwrap(Effect.map(begin(request, options), ({ updates }) => updates)),
    submit,
    updates,
    receive: (holder, bytes) =>
      Effect.asVoid(Effect.acquireRelease(requestBudget.take(holder, bytes), (giveBack) => giveBack)),
    canStartExecution: admission.canStart,
    startExecution: tracked.start,
    endExecution: tracked.end,
    killExecution,
    getSystemMetrics: Effect.gen(function* () {
      const { active, gpus, queued, users } = yield* admission.occupancy
      const { maxConcurrentSandboxes } = yield* Ref.get(inForce)
      return {
        activeExecutions: active,
        queuedExecutions: queued,
        totalUsers: users,
        utilizationPercent: percent(active, maxConcurrentSandboxes),
        gpusInUse: gpus,
        gpus: admission.gpus,
        artifactBytes: yield* artifacts.taken(),
        openStreams: yield* executionUpdates.readers,
        ...(yield* Effect.match(webhooks.metrics, {
          onFailure: () => ({}),
          onSuccess: (counts) => ({ webhooks: counts })
        })),
        uploadBytes: yield* uploads.taken(),
        ...(yield* supply.metrics)
      }
    }),
    getUserMetrics: Effect.fnUntraced(function* (userId) {
      const { active, gpus, queued } = yield* admission.occupancyOf(userId)
      const { maxSandboxesPerUser } = yield* Ref.get(inForce)
      return {
        activeExecutions: active,
        queuedExecutions: queued,
        utilizationPercent: percent(active, maxSandboxesPerUser),
        gpusInUse: gpus,
        artifactBytes: yield* artifacts.taken(userId),
        openStreams: yield* executionUpdates.readersOf(userId),
        uploadBytes: yield* uploads.taken(userId)
      }
    }),
    getLogs: queries.logs,
    getEvents: queries.events,
    listExecutions: queries.list,
    getExecution: queries.find,
    getUsage: queries.usage,
    verifyAudit: queries.verifyAudit,
    limits: Ref.get(inForce),
    network: supply.network.usual,
    changeLimits,
    replicas,
    readiness: Effect.gen(function* () {
      if (yield* live.isClosed) return { ready: false, reason: "The service is shutting down" }
      const { reason } = yield* supply.health
      if (reason !== undefined) return { ready: false, reason }
      const { circuit } = yield* supply.metrics
      if (circuit === "open") return { ready: false, reason: "The sandbox provider is down" }
      return yield* Effect.match(store.ready, {
        onFailure: ({ reason }) => ({
          ready: false,
          reason: withReason("What happens cannot be recorded", reason)
        }),
        onSuccess: () => ({ ready: true })
      })
    }),
    images: ImageListing.list(toolchain, yield* Images),
    runtimes: Effect.map(toolchain.facts, ({ runtimes }) => runtimes),
    shutdown
  })
})

/** Runs code nobody has read, and can be believed when it says what happened. */
export class SandboxService extends Context.Tag("@bulkhead/sandbox/SandboxService")<
  SandboxService,
  {
    /**
     * Runs a program in a fresh sandbox. Succeeds with a result whatever came of the program; fails only when the
     * request is turned away before any sandbox is asked for. Interrupting it kills the program and destroys the
     * sandbox; what the program had written by then is in the result that `getExecution` gives.
     */
    readonly execute: (
      request: ExecutionRequestInput,
      options?: ExecuteOptions
    ) => Effect.Effect<ExecutionResult, Refusal>
    /**
     * The same, told while it happens. Fails before the first update when the request is turned away; who is turned
     * away later, having waited, gets a result with the verdict `Rejected`. Every byte of output comes once and in
     * order, or the reader is told which it has missed: one that reads slowly holds up nothing, and misses what is
     * further back than about 256 KB. Whoever stops reading kills the program as by leaving `execute`, unless the
     * request has an idempotency key.
     */
    readonly stream: (
      request: ExecutionRequestInput,
      options?: ExecuteOptions
    ) => Stream.Stream<ExecutionUpdate, Refusal>
    /**
     * Begins an execution that goes on without its caller, and returns when it has its turn or waits for it. The same
     * idempotency key gives the same execution. When no sandbox can be had at all, it has ended by then.
     */
    readonly submit: (
      request: ExecutionRequestInput,
      options?: ExecuteOptions
    ) => Effect.Effect<ExecutionSummary, Refusal>
    /** What `stream` and `submit` are made of: for who must know that a request is accepted before reading. */
    readonly begin: (
      request: ExecutionRequestInput,
      options?: ExecuteOptions
    ) => Effect.Effect<BegunExecution, Refusal>
    /**
     * Reads along with an execution, from its beginning or after an update that the reader has seen, as far back as
     * updates are kept. Of one that has ended or runs on another server there is what is kept in the end: output and
     * artifacts, and the result. May be read by many at once, each at their own pace; reading changes nothing.
     */
    readonly updates: (
      executionId: ExecutionId,
      options?: UpdatesOptions
    ) => Stream.Stream<ExecutionUpdate, ExecutionNotFound | StoreFailure>
    /**
     * Counts bytes of a request that is being received, until the scope closes; together with the requests that wait
     * they may be no more than the limits allow.
     */
    readonly receive: (
      holder: Holder,
      bytes: number
    ) => Effect.Effect<void, QuotaExceeded | SystemAtCapacity, Scope.Scope>
    /** Whether an execution of this user would start at once, and why not. */
    readonly canStartExecution: (userId: UserId) => Effect.Effect<Admissibility>
    /**
     * Counts work that runs elsewhere against the limits, without waiting for a place. When `timeout` (seconds, the
     * limits' default unless told) passes without `endExecution`, the work counts as timed out and its place is free
     * again.
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
    /**
     * Ends an execution, waiting or running: SIGTERM, grace, SIGKILL, and its sandbox is destroyed. Returns once it is
     * asked for.
     */
    readonly killExecution: (
      executionId: ExecutionId,
      reason?: string
    ) => Effect.Effect<void, ExecutionNotFound | ExecutionEnded | StoreFailure>
    readonly getSystemMetrics: Effect.Effect<SystemMetrics>
    /** An unknown user's are all zeros. */
    readonly getUserMetrics: (userId: UserId) => Effect.Effect<UserMetrics>
    /** The events of one execution, oldest first: all of them, or those that the filter lets through. */
    readonly getLogs: (
      executionId: ExecutionId,
      filter?: Omit<EventQuery, keyof PageRequest>
    ) => Effect.Effect<ReadonlyArray<ExecutionEvent>, ExecutionNotFound | StoreFailure>
    /** The same, page by page. */
    readonly getEvents: (
      executionId: ExecutionId,
      query?: EventQuery
    ) => Effect.Effect<Page<ExecutionEvent>, ExecutionNotFound | StoreFailure>
    /** Executions, newest first. Those that wait or run are given whole when their state is asked for. */
    readonly listExecutions: (query?: ExecutionQuery) => Effect.Effect<Page<ExecutionSummary>, StoreFailure>
    /** One execution, with its result if that is still kept. */
    readonly getExecution: (
      executionId: ExecutionId
    ) => Effect.Effect<ExecutionRecord, ExecutionNotFound | StoreFailure>
    /** What each user's executions used, of those that have ended. */
    readonly getUsage: (query?: UsageQuery) => Effect.Effect<Page<UserUsage>, StoreFailure>
    /** Whether the record of what happened is as it was written. */
    readonly verifyAudit: Effect.Effect<AuditVerification, StoreFailure>
    /** The limits in force. */
    readonly limits: Effect.Effect<LimitValues>
    /** What programs may have of the network at most. Absent: the sandboxes hold to no policy. */
    readonly network: NetworkPolicy | undefined
    /**
     * Puts other limits in force, for what comes from now on and for who waits. What is fixed when the service starts
     * cannot be changed. Where replicas are one, it fails when they could not be told within 10 seconds.
     */
    readonly changeLimits: (
      changes: LimitChanges
    ) => Effect.Effect<LimitValues, AdmissionUnreachable | LimitsRefused>
    /** All servers that are one service with this one, by their names. None: it is one by itself. */
    readonly replicas: Effect.Effect<ReadonlyArray<Replica>, StoreFailure>
    /** Whether new work can be done, and why not. */
    readonly readiness: Effect.Effect<Readiness>
    /**
     * What the plain sandboxes have and the images that requests may choose, each looked up once, in a sandbox. One
     * that cannot be looked into is told of with its error.
     */
    readonly images: Effect.Effect<ImageList>
    /** The languages that the sandboxes' toolchain can run. Looked up once, in a sandbox. */
    readonly runtimes: Effect.Effect<ReadonlyArray<Runtime>, SandboxFailure>
    /**
     * Refuses new work, lets what runs finish within the kill grace period, then kills it. Returns when nothing is
     * left.
     */
    readonly shutdown: Effect.Effect<void>
  }
>() {
  /** What a service knows while it runs: the limits in force, and what waits and runs. */
  static readonly layerPresent: Layer.Layer<
    LimitsInForce | LiveExecutions | ExecutionUpdates,
    never,
    Limits
  > = Layer.mergeAll(LimitsInForce.layer, LiveExecutions.layer, ExecutionUpdates.layer)

  /** Every part to be provided, and what it knows, which other parts may know too. */
  static readonly layerParts: Layer.Layer<
    SandboxService,
    never,
    | ExecutionStore
    | ExecutionUpdates
    | IdempotencyKeys
    | Limits
    | LimitsInForce
    | LiveExecutions
    | Toolchain
    | Admission
    | SandboxSupply
  > = Layer.scoped(SandboxService, make).pipe(
    Layer.provide(Layer.mergeAll(RequestBudget.layer, ExecutionLog.layer, Idempotency.layer))
  )

  /** Every part to be provided. */
  static readonly layerBare: Layer.Layer<
    SandboxService,
    never,
    Limits | ExecutionStore | IdempotencyKeys | Toolchain | Admission | SandboxSupply
  > = Layer.suspend(() => Layer.provide(SandboxService.layerParts, SandboxService.layerPresent))

  /** With whatever limits and record are provided. */
  static readonly layerOver: Layer.Layer<
    SandboxService,
    never,
    Limits | ExecutionStore | IdempotencyKeys | SandboxProvider
  > = Layer.suspend(() =>
    SandboxService.layerBare.pipe(
      Layer.provide(Layer.merge(Toolchain.layer, Layer.provide(Admission.layer, GpuSupply.layer))),
      Layer.provide(SandboxSupply.layer)
    )
  )

  /** With whatever limits are provided; executions and keys are kept in memory. */
  static readonly layerMemory: Layer.Layer<SandboxService, never, Limits | SandboxProvider> = Layer.suspend(
    () =>
      SandboxService.layerOver.pipe(
        Layer.provide(Layer.merge(MemoryExecutionStore.layer(), IdempotencyKeys.layerMemory()))
      )
  )

  /**
   * With the specification's limits, some of them set otherwise; everything is kept in memory. What a program leaves in
   * its output directory is refused unless an `ArtifactCollector` is provided too.
   */
  static layer(limits: Partial<LimitValues> = {}): Layer.Layer<SandboxService, never, SandboxProvider> {
    return Layer.provide(SandboxService.layerMemory, Limits.layer(limits))
  }

  /** With limits from the environment; everything is kept in memory. */
  static readonly layerFromEnv: Layer.Layer<SandboxService, ConfigError.ConfigError, SandboxProvider> =
    Layer.suspend(() => Layer.provide(SandboxService.layerMemory, Limits.layerFromEnv))
}
