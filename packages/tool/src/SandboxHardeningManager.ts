/// <reference lib="esnext.disposable" preserve="true" />
import {
  type ExecutionEvent,
  type ExecutionMetrics,
  type ExecutionRecord,
  type ExecutionRequestInput,
  type ExecutionResult,
  type ExecutionState,
  type ExecutionSummary,
  executionError,
  type LimitValues,
  type Page,
  type PageRequest,
  type Refusal,
  rejectedResult,
  type SystemMetrics,
  type UserMetrics
} from "@bulkhead/domain"
import {
  type Admissibility,
  type ImagePlaces,
  Images,
  Limits,
  NetworkRules,
  SandboxService
} from "@bulkhead/sandbox"
import { Cause, type Context, Effect, Either, Exit, Layer, Logger, ManagedRuntime, Option } from "effect"
import * as Arguments from "./Arguments.js"
import { Backend, type ProviderLayer } from "./Backend.js"
import type { Environment } from "./Environment.js"
import * as ImageSettings from "./ImageSettings.js"
import * as LimitSettings from "./LimitSettings.js"
import * as NetworkSettings from "./NetworkSettings.js"
import { errorOf, type Failure, ManagerClosed, ofCause, ofFailure } from "./SandboxHardeningError.js"
import type { SetUpFailure } from "./SetUpFailure.js"

export interface ManagerOptions {
  /**
   * Settings by the names of their variables: where sandboxes come from, images, the network, and limits. Unless told,
   * those that the first `execute` brings, or the process's.
   */
  readonly env?: Environment | undefined
  /** Sandboxes of your own, whatever the variables say. */
  readonly provider?: ProviderLayer | undefined
}

export interface ExecuteOptions {
  /** Who asks, whatever the request says. */
  readonly userId?: string | undefined
  /** When it aborts, the program is killed and its sandbox destroyed; then the promise is rejected (`AbortError`). */
  readonly signal?: AbortSignal | undefined
  /** Settings, unless the manager was made with its own. */
  readonly env?: Environment | undefined
}

export interface ListOptions extends PageRequest {
  readonly userId?: string
  readonly state?: ExecutionState
}

type Services = SandboxService | Backend
type StartFailure = SetUpFailure | ManagerClosed
type Service = Context.Tag.Service<SandboxService>

/** What is in force for as long as the manager lives. */
interface Settings {
  readonly images: ImagePlaces
  readonly limits: LimitValues
  /** None for sandboxes that are given, which nobody here knows. */
  readonly network: Option.Option<NetworkSettings.NetworkSettings>
}

interface Running extends Settings {
  readonly runtime: ManagedRuntime.ManagedRuntime<Services, never>
}

/** What the program prints is its own. */
const StderrLogger = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

/** The service knows images by their names; `Backend` knows what their names stand for. */
const layerOf = ({ images, limits, network }: Settings, provider: ProviderLayer | undefined) =>
  SandboxService.layerMemory.pipe(
    Layer.provideMerge(Backend.layer(provider, images, network)),
    Layer.provide(
      Option.match(network, {
        onNone: () => Layer.empty,
        onSome: ({ bound }) => Layer.succeed(NetworkRules, { bound, ofUsers: new Map() })
      })
    ),
    Layer.provide(Layer.succeed(Images, new Map([...images.keys()].map((name) => [name, name] as const)))),
    Layer.provide(Limits.layer(limits)),
    Layer.provideMerge(StderrLogger)
  )

/** What E2B allows. A pace is laid down at the start, before it is known where sandboxes come from. */
const defaultsOnE2B: Partial<LimitValues> = { maxCreatesPerSecond: 5 }

const asResult = (failure: Refusal | StartFailure): Effect.Effect<ExecutionResult> =>
  Effect.map("executionId" in failure ? Effect.succeed(failure.executionId) : Arguments.freshId, (id) =>
    rejectedResult(id, errorOf(failure))
  )

/** A fault of ours is for the log; who asked gets a result all the same. */
const faultAsResult = (defect: unknown): Effect.Effect<ExecutionResult> =>
  Effect.logError("The sandbox service failed", Cause.die(defect)).pipe(
    Effect.zipRight(Arguments.freshId),
    Effect.map((id) => ({
      ...rejectedResult(id, executionError("INTERNAL_ERROR", "The sandbox service failed")),
      verdict: "InternalError"
    }))
  )

const execution = Effect.fnUntraced(function* (
  request: ExecutionRequestInput,
  { env, userId }: ExecuteOptions
) {
  const { execute } = yield* SandboxService
  const { open } = yield* Backend
  const options = userId === undefined ? undefined : { userId: yield* Arguments.userId(userId) }
  yield* open(env)
  return yield* execute(request, options)
}, Effect.catchAllDefect(faultAsResult))

/** The one edge where effects become promises. */
const run = async <A>(effect: Effect.Effect<A, Failure>, signal?: AbortSignal): Promise<A> => {
  const unlessAborted = signal?.aborted ? Effect.interrupt : effect
  const exit = await Effect.runPromiseExit(unlessAborted, signal && { signal })
  if (Exit.isSuccess(exit)) return exit.value
  throw ofCause(exit.cause)
}

/**
 * Runs code nobody has read in hardened sandboxes, and counts work that runs elsewhere against the same limits, for
 * programs that speak promises. Nothing starts before the first call. From then on it keeps the process alive until it
 * is closed. Promises are rejected with a `SandboxHardeningError`.
 */
export class SandboxHardeningManager implements AsyncDisposable {
  readonly #given: Partial<LimitValues>
  readonly #options: ManagerOptions
  #running: Running | undefined
  #closing: Promise<void> | undefined

  /**
   * `limits` are the specification's where nothing else is said here or in the environment (`SANDBOX_MAX_TIMEOUT` is
   * `maxTimeout`), but without a `provider` at most 5 sandboxes are created in a second. Throws a
   * `SandboxHardeningError` when one is out of its range.
   */
  constructor(limits: LimitSettings.SomeLimits = {}, options: ManagerOptions = {}) {
    const checked = LimitSettings.check(limits)
    if (Either.isLeft(checked)) throw ofFailure(checked.left)
    this.#given = checked.right
    this.#options = options
  }

  /**
   * Runs a program in a fresh sandbox. Gives a result whatever came of it, also when it is refused or when nothing can
   * be run with these settings: then `success` is false, and `error` says why. With an `idempotencyKey`, an execution
   * that its caller aborts goes on.
   */
  execute(request: ExecutionRequestInput, options: ExecuteOptions = {}): Promise<ExecutionResult> {
    const env = this.#options.env ?? options.env
    const executed = this.#provide(execution(request, { ...options, env }), env)
    return run(Effect.catchAll(executed, asResult), options.signal)
  }

  /** Whether an execution of this user would start at once, and why not. */
  canStartExecution(userId: string): Promise<Admissibility> {
    return this.#ask(Arguments.userId(userId), ({ canStartExecution }, user) => canStartExecution(user))
  }

  /**
   * Counts work that runs elsewhere against the limits, if there is a free place. When `timeout` (seconds, the limits'
   * default unless told) passes without `endExecution`, the work counts as timed out and its place is free again.
   */
  startExecution(executionId: string, userId: string, timeout?: number): Promise<ExecutionRecord> {
    const read = Effect.all([
      Arguments.newExecutionId(executionId),
      Arguments.userId(userId),
      Arguments.timeout(timeout)
    ])
    return this.#ask(read, ({ getExecution, startExecution }, [id, user, seconds]) =>
      Effect.zipRight(startExecution(id, user, seconds), getExecution(id))
    )
  }

  /** Ends what `startExecution` began. The metrics, and whatever else is known, go into its log. */
  endExecution(
    executionId: string,
    metrics: Partial<ExecutionMetrics> & Readonly<Record<string, unknown>> = {}
  ): Promise<void> {
    return this.#ask(Arguments.executionId(executionId), ({ endExecution }, id) => endExecution(id, metrics))
  }

  /**
   * Ends an execution, waiting or running: SIGTERM, grace, SIGKILL, and its sandbox is destroyed. Resolves once that is
   * asked for.
   */
  killExecution(executionId: string, reason?: string): Promise<void> {
    return this.#ask(Arguments.executionId(executionId), ({ killExecution }, id) => killExecution(id, reason))
  }

  getSystemMetrics(): Promise<SystemMetrics> {
    return this.#ask(Effect.void, ({ getSystemMetrics }) => getSystemMetrics)
  }

  /** An unknown user's are all zeros. */
  getUserMetrics(userId: string): Promise<UserMetrics> {
    return this.#ask(Arguments.userId(userId), ({ getUserMetrics }, user) => getUserMetrics(user))
  }

  /** What happened to an execution, oldest first. */
  getLogs(executionId: string): Promise<ReadonlyArray<ExecutionEvent>> {
    return this.#ask(Arguments.executionId(executionId), ({ getLogs }, id) => getLogs(id))
  }

  /** One execution, with its result if it has ended. */
  getExecution(executionId: string): Promise<ExecutionRecord> {
    return this.#ask(Arguments.executionId(executionId), ({ getExecution }, id) => getExecution(id))
  }

  /** Executions, newest first, page by page: those of one user, or in one state, if told. */
  listExecutions({ userId, ...query }: ListOptions = {}): Promise<Page<ExecutionSummary>> {
    const read = userId === undefined ? Effect.succeed({}) : Effect.bindTo(Arguments.userId(userId), "userId")
    return this.#ask(read, ({ listExecutions }, user) => listExecutions({ ...query, ...user }))
  }

  /**
   * Refuses new work, lets what runs finish within the kill grace period, kills it then, and destroys every sandbox.
   * After it nothing keeps the process alive, and a closed manager stays closed.
   */
  close(): Promise<void> {
    this.#closing ??= this.#running?.runtime.dispose() ?? Promise.resolve()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #ask<A, B>(
    read: Effect.Effect<A, Failure>,
    verb: (service: Service, read: A) => Effect.Effect<B, Failure>
  ): Promise<B> {
    const asked = Effect.all([SandboxService, read]).pipe(
      Effect.flatMap(([service, value]) => verb(service, value))
    )
    return run(this.#provide(asked, this.#options.env))
  }

  #provide<A, E>(
    effect: Effect.Effect<A, E, Services>,
    env: Environment | undefined
  ): Effect.Effect<A, E | StartFailure> {
    return Effect.flatMap(
      Effect.suspend(() => this.#started(env)),
      ({ runtime }) => Effect.provide(effect, runtime)
    )
  }

  /** Started with the first call. */
  #started(env: Environment | undefined): Effect.Effect<Running, StartFailure> {
    const { provider } = this.#options
    return Effect.flatMap(this.#settings(env), (settings): Effect.Effect<Running, ManagerClosed> => {
      if (this.#closing !== undefined) return new ManagerClosed()
      this.#running ??= { ...settings, runtime: ManagedRuntime.make(layerOf(settings, provider)) }
      return Effect.succeed(this.#running)
    })
  }

  /** Those in force, or those that are to be. */
  #settings(env: Environment | undefined): Effect.Effect<Settings, SetUpFailure> {
    if (this.#running === undefined) {
      const defaults = this.#options.provider === undefined ? defaultsOnE2B : {}
      return Effect.all({
        limits: LimitSettings.read(this.#given, env, defaults),
        images: ImageSettings.read(env),
        network:
          this.#options.provider === undefined ? NetworkSettings.read(env) : Effect.succeed(Option.none())
      })
    }
    const { images, limits, network } = this.#running
    const inForce = { images, limits, network }
    if (env === undefined) return Effect.succeed(inForce)
    return Effect.all(
      [
        LimitSettings.checkSame(limits, this.#given, env),
        ImageSettings.checkSame(images, env),
        this.#options.provider === undefined ? NetworkSettings.checkSame(network, env) : Effect.void
      ],
      { discard: true }
    ).pipe(Effect.as(inForce))
  }
}

/** A manager with the specification's limits and the process's settings. Nothing starts before it is first used. */
export const sandboxHardening = new SandboxHardeningManager()
