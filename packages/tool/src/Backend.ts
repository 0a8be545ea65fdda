import { E2BSandboxProvider } from "@bulkhead/e2b"
import { type ImagePlaces, Limits, SandboxFailure, SandboxProvider } from "@bulkhead/sandbox"
import {
  Context,
  Effect,
  Equal,
  ExecutionStrategy,
  Exit,
  Layer,
  Option,
  Predicate,
  Scope,
  SynchronizedRef
} from "effect"
import * as BackendChoice from "./BackendChoice.js"
import type { Environment } from "./Environment.js"
import type * as NetworkSettings from "./NetworkSettings.js"
import { SetUpFailure } from "./SetUpFailure.js"

/** Sandboxes of one's own, whatever their layer may fail with. */
export type ProviderLayer = Layer.Layer<SandboxProvider, unknown>

type Provider = Context.Tag.Service<SandboxProvider>

/** The sandboxes that are there, and what chose them, if they were chosen. */
interface Opened {
  readonly choice?: BackendChoice.BackendChoice
  readonly provider: Provider
}

/** Loaded only where it is asked for, since it need not be installed. */
const hostPackage = Effect.tryPromise({
  try: () => import("@bulkhead/host"),
  catch: () =>
    new SetUpFailure({
      message:
        "SANDBOX_BACKEND: 'embedded' needs the package @bulkhead/host: install it beside @bulkhead/tool"
    })
})

const megabyte = 1_048_576

const embedded = Effect.fnUntraced(function* (
  images: ImagePlaces,
  network: Option.Option<NetworkSettings.NetworkSettings>
) {
  const hasNetwork = Option.exists(network, ({ bound }) => bound.mode !== "off")
  const { EmbeddedHost } = yield* hostPackage
  const { maxCpuPercent, maxDiskMB, maxMemoryMB, maxProcesses } = yield* Limits
  const host = EmbeddedHost.layer({
    images: Object.fromEntries(images),
    memoryBytes: maxMemoryMB * megabyte,
    cpuPercent: maxCpuPercent,
    processes: maxProcesses,
    diskBytes: maxDiskMB * megabyte,
    ...(hasNetwork && { network: {} })
  })
  const provider = Effect.map(EmbeddedHost, ({ apiKey, gpus, health, url }) =>
    E2BSandboxProvider.layer(
      {
        ...{ apiKey, apiUrl: url, sandboxUrl: url, name: "embedded host" },
        network: hasNetwork ? "embedded" : "none"
      },
      { gpus, health }
    )
  )
  return Layer.provide(Layer.unwrapEffect(provider), host)
}, Layer.unwrapEffect)

/** A provider whose templates are told by the names of images. The embedded host knows images by their names anyway. */
const byName = (images: ImagePlaces) => (provider: Provider) =>
  SandboxProvider.of({
    ...provider,
    create: ({ template, ...options }) =>
      provider.create({
        ...options,
        ...(template !== undefined && { template: images.get(template) ?? template })
      })
  })

const named = <E, R>(sandboxes: Layer.Layer<SandboxProvider, E, R>, images: ImagePlaces) =>
  Layer.map(sandboxes, (context) =>
    Context.add(context, SandboxProvider, byName(images)(Context.get(context, SandboxProvider)))
  )

const layerOf = (
  choice: BackendChoice.BackendChoice,
  images: ImagePlaces,
  network: Option.Option<NetworkSettings.NetworkSettings>
) =>
  BackendChoice.BackendChoice.$match(choice, {
    E2B: ({ options }): Layer.Layer<SandboxProvider, unknown, Limits> =>
      named(E2BSandboxProvider.layer(options), images),
    Embedded: () => embedded(images, network)
  })

const describe = (cause: unknown) =>
  new SetUpFailure({
    message: Predicate.hasProperty(cause, "message") ? String(cause.message) : String(cause)
  })

/** Builds sandboxes into a scope. Nothing is left of what could not be built. */
const build = Effect.fnUntraced(function* (
  sandboxes: Layer.Layer<SandboxProvider, unknown, Limits>,
  scope: Scope.Scope
) {
  const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
  const context = yield* Layer.buildWithScope(sandboxes, own).pipe(
    Effect.mapError(describe),
    Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void))
  )
  return Context.get(context, SandboxProvider)
})

const notYet = new SandboxFailure({
  code: "INTERNAL_ERROR",
  phase: "create",
  message: "Nothing has been run yet that says where sandboxes come from",
  retryable: false
})

const otherBackend = new SetUpFailure({
  message:
    "E2B_API_KEY, SANDBOX_BACKEND: expected what the first execution had; " +
    "for other settings make another SandboxHardeningManager"
})

/** The provider that is opened when the first program is to run. Until then it has no sandboxes. */
const providerOf = (
  opened: SynchronizedRef.SynchronizedRef<Option.Option<Opened>>,
  network: Option.Option<NetworkSettings.NetworkSettings>
) => {
  const current = SynchronizedRef.get(opened)
  return SandboxProvider.of({
    name: "sandboxes of the first execution's choice",
    ...Option.match(network, { onNone: () => ({}), onSome: ({ control }) => ({ network: control }) }),
    create: (options) =>
      Effect.flatMap(
        current,
        Option.match({ onNone: () => notYet, onSome: ({ provider }) => provider.create(options) })
      ),
    list: (metadata) =>
      Effect.flatMap(
        current,
        Option.match({
          onNone: () => Effect.succeed([]),
          onSome: ({ provider }) => provider.list(metadata)
        })
      ),
    kill: (sandboxId) =>
      Effect.flatMap(
        current,
        Option.match({ onNone: () => Effect.void, onSome: ({ provider }) => provider.kill(sandboxId) })
      ),
    health: Effect.flatMap(
      current,
      Option.match({
        onNone: () => Effect.succeed({ state: "up" as const, restarts: 0 }),
        onSome: ({ provider }) => SandboxProvider.healthOf(provider)
      })
    )
  })
}

/**
 * Where sandboxes come from. They are set up only when the first program is to run, so that whoever only counts work or
 * asks for metrics needs neither a key nor a host.
 */
export class Backend extends Context.Tag("@bulkhead/tool/Backend")<
  Backend,
  {
    /** Sets up what these variables choose, unless it is there. Fails when they choose something else than before. */
    readonly open: (env: Environment | undefined) => Effect.Effect<void, SetUpFailure>
  }
>() {
  /** By the variables' choice, or always the sandboxes that are given. */
  static layer(
    given: ProviderLayer | undefined,
    images: ImagePlaces,
    network: Option.Option<NetworkSettings.NetworkSettings>
  ): Layer.Layer<Backend | SandboxProvider, never, Limits> {
    return Layer.scopedContext(make(given, images, network))
  }
}

const make = Effect.fnUntraced(function* (
  given: ProviderLayer | undefined,
  images: ImagePlaces,
  network: Option.Option<NetworkSettings.NetworkSettings>
) {
  const limits = yield* Limits
  const scope = yield* Effect.scope
  const opened = yield* SynchronizedRef.make(Option.none<Opened>())

  const first = Effect.fnUntraced(
    function* (env: Environment | undefined) {
      if (given !== undefined) return { provider: yield* build(named(given, images), scope) }
      const choice = yield* BackendChoice.read(env)
      return { choice, provider: yield* build(layerOf(choice, images, network), scope) }
    },
    Effect.provideService(Limits, limits)
  )

  const again = Effect.fnUntraced(function* (current: Opened, env: Environment | undefined) {
    if (current.choice === undefined || env === undefined) return current
    return Equal.equals(yield* BackendChoice.read(env), current.choice) ? current : yield* otherBackend
  })

  const open = Effect.fn("Backend.open")((env: Environment | undefined) =>
    SynchronizedRef.updateEffect(opened, (current) =>
      Effect.asSome(
        Option.match(current, {
          onNone: (): Effect.Effect<Opened, SetUpFailure> => first(env),
          onSome: (current) => again(current, env)
        })
      )
    )
  )

  return Context.make(Backend, Backend.of({ open })).pipe(
    Context.add(SandboxProvider, providerOf(opened, network))
  )
})
