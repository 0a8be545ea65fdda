import type { ArtifactStore } from "@bulkhead/artifacts"
import type { SandboxService } from "@bulkhead/sandbox"
import { HttpApp } from "@effect/platform"
import { Context, Effect, Layer, type Scope } from "effect"
import * as Authentication from "./authentication/Authentication.js"
import * as BulkheadHttp from "./BulkheadHttp.js"
import * as Environment from "./Environment.js"

export type { Environment } from "./Environment.js"

/** Answers requests of a fetch-style server. */
export interface FetchHandler {
  /** Rejects only when the layer could not be built. Aborting a request hangs up. */
  readonly handler: (request: Request, env: Environment.Environment) => Promise<Response>
  /** Ends what the layer holds. */
  readonly dispose: () => Promise<void>
}

type App = Effect.Effect.Success<ReturnType<typeof BulkheadHttp.make>>

/** The app, ready to answer. */
const App = Context.GenericTag<App>("@bulkhead/http/FetchHandler/App")

const handlerOf = <R, E>(app: Effect.Effect<App, never, R | Scope.Scope>, services: Layer.Layer<R, E>) => {
  const { dispose, handler } = HttpApp.toWebHandlerLayerWith(
    Layer.provideMerge(Layer.scoped(App, app), services),
    { toHandler: ({ context }) => Effect.succeed(Context.get(context, App)) }
  )
  return {
    handler: (request, env) => handler(request, Context.make(Environment.Current, env)),
    dispose
  } satisfies FetchHandler
}

const authentication = Layer.provide(Authentication.layer, Environment.layer)

/**
 * The whole contract. The layer is built at the first request. Nothing is ever open: the operator's routes need
 * `ADMIN_API_TOKEN`, callers a key among `SANDBOX_API_KEYS`, and where a variable is absent nobody has what it takes.
 */
export const make = <E>(
  services: Layer.Layer<SandboxService | ArtifactStore, E>,
  options?: BulkheadHttp.MountOptions
): FetchHandler => handlerOf(BulkheadHttp.make(options), Layer.merge(services, authentication))

/**
 * The operator's half, `/api/sandbox`. The layer is built at the first request. Without an `ADMIN_API_TOKEN` it refuses
 * everybody.
 *
 * ```ts
 * const { handler: handleSandboxMonitoring } = FetchHandler.makeMonitoring(services)
 * ```
 */
export const makeMonitoring = <E>(
  services: Layer.Layer<SandboxService, E>,
  options?: BulkheadHttp.MountOptions
): FetchHandler =>
  handlerOf(
    BulkheadHttp.makeAdmin(options),
    Layer.merge(services, Layer.provide(Authentication.layerAdmin, Environment.layer))
  )
