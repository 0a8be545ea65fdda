import {
  AdminAuthentication,
  BulkheadAdminApi,
  BulkheadApi,
  BulkheadApiWithMcp,
  BulkheadExecuteApi,
  BulkheadHealthApi,
  CallerAuthentication,
  ReaderAuthentication
} from "@bulkhead/api"
import { AllowedArtifacts, ArtifactStore } from "@bulkhead/artifacts"
import { SandboxService, Uploads, Webhooks } from "@bulkhead/sandbox"
import { type HttpApi, HttpLayerRouter } from "@effect/platform"
import { Context, Effect, Layer } from "effect"
import * as AdminHandlers from "./AdminHandlers.js"
import * as ArtifactHandlers from "./artifacts/ArtifactHandlers.js"
import * as ArtifactKindsHandlers from "./artifacts/ArtifactKindsHandlers.js"
import * as Docs from "./Docs.js"
import * as ExecuteHandlers from "./ExecuteHandlers.js"
import * as ExecutionsHandlers from "./executions/ExecutionsHandlers.js"
import * as HealthHandlers from "./HealthHandlers.js"
import * as ImageHandlers from "./ImageHandlers.js"
import { McpUse } from "./McpUse.js"
import * as Mount from "./Mount.js"
import * as Prefix from "./Prefix.js"
import * as Routes from "./Routes.js"
import * as StreamHandlers from "./streams/StreamHandlers.js"
import * as UploadHandlers from "./UploadHandlers.js"
import * as WebhookHandlers from "./WebhookHandlers.js"

export type { MountOptions } from "./Prefix.js"

type Admin = SandboxService | AdminAuthentication
type Execute = SandboxService | ArtifactStore | CallerAuthentication | ReaderAuthentication

const executePaths = [
  "/api/execute",
  "/api/executions",
  "/api/files",
  "/api/images",
  "/api/webhooks"
] as const
const adminPaths = ["/api/sandbox"] as const
const healthPaths = ["/health", "/ready"] as const
const docsPaths = { contract: "/openapi.json", page: "/docs" } as const

/**
 * Also whoever sends webhooks, keeps files, says which, and serves MCP, if anybody does: picking takes only what is
 * required.
 */
const withOthers = <R>(services: Effect.Effect<Context.Context<R>, never, R>) =>
  Effect.map(
    Effect.all([services, Webhooks, Uploads, AllowedArtifacts.AllowedArtifacts, McpUse]),
    ([context, webhooks, uploads, allowed, mcp]) =>
      context.pipe(
        Context.add(Webhooks, webhooks),
        Context.add(Uploads, uploads),
        Context.add(AllowedArtifacts.AllowedArtifacts, allowed),
        Context.add(McpUse, mcp)
      )
  )

const execute = (prefix: Prefix.Path | ""): Mount.Part<Execute> => {
  const api = BulkheadExecuteApi.prefix(prefix || "/")
  return {
    prefix,
    known: Routes.of(api),
    routes: HttpLayerRouter.addHttpApi(api).pipe(
      Layer.provide([
        ExecuteHandlers.layer(api),
        StreamHandlers.layer(api),
        ExecutionsHandlers.layer(api),
        ArtifactHandlers.layer(api),
        UploadHandlers.layer(api),
        ImageHandlers.layer(api),
        WebhookHandlers.layerSigning(api)
      ])
    ),
    services: withOthers(
      Effect.map(
        Effect.context<Execute>(),
        Context.pick(SandboxService, ArtifactStore, CallerAuthentication, ReaderAuthentication)
      )
    )
  }
}

const admin = (prefix: Prefix.Path | ""): Mount.Part<Admin> => {
  const api = BulkheadAdminApi.prefix(prefix || "/")
  return {
    prefix,
    known: Routes.of(api),
    routes: Layer.provide(HttpLayerRouter.addHttpApi(api), [
      AdminHandlers.layer(api),
      ArtifactKindsHandlers.layer(api),
      WebhookHandlers.layer(api)
    ]),
    services: withOthers(
      Effect.map(Effect.context<Admin>(), Context.pick(SandboxService, AdminAuthentication))
    )
  }
}

const health = (prefix: Prefix.Path | ""): Mount.Part<SandboxService> => {
  const api = BulkheadHealthApi.prefix(prefix || "/")
  return {
    prefix,
    known: Routes.of(api),
    routes: Layer.provide(HttpLayerRouter.addHttpApi(api), HealthHandlers.layer(api)),
    services: Effect.map(Effect.context<SandboxService>(), Context.pick(SandboxService))
  }
}

const docs = (prefix: Prefix.Path | "", api: HttpApi.HttpApi.Any): Mount.Part<never> => ({
  prefix,
  known: Object.values(docsPaths).map((path) => ({ method: "GET", path: Prefix.under(prefix)(path) })),
  // `Any` has no methods.
  routes: Docs.layer((api as HttpApi.HttpApi.AnyWithProps).prefix(prefix || "/"), {
    contract: Prefix.under(prefix)(docsPaths.contract),
    page: Prefix.under(prefix)(docsPaths.page)
  }),
  services: Effect.succeed(Context.empty())
})

const whole = (
  prefix: Prefix.Path | "",
  described: HttpApi.HttpApi.Any = BulkheadApi
): Mount.Part<Admin | Execute> => ({
  prefix,
  known: [execute(prefix), admin(prefix), health(prefix), docs(prefix, described)].flatMap(
    ({ known }) => known
  ),
  routes: Layer.mergeAll(
    execute(prefix).routes,
    admin(prefix).routes,
    health(prefix).routes,
    docs(prefix, described).routes
  ),
  services: withOthers(
    Effect.map(
      Effect.context<Admin | Execute>(),
      Context.pick(
        SandboxService,
        ArtifactStore,
        AdminAuthentication,
        CallerAuthentication,
        ReaderAuthentication
      )
    )
  )
})

const mount = <R>(
  part: (prefix: Prefix.Path | "") => Mount.Part<R>,
  options: Prefix.MountOptions,
  paths: ReadonlyArray<Prefix.Path>
) => {
  const prefix = Prefix.of(options)
  return Mount.at(part(prefix), paths.map(Prefix.under(prefix)))
}

/**
 * The half that callers use, `/api/execute`, `/api/executions`, `/api/files`, `/api/images` and `/api/webhooks`, in an `HttpLayerRouter`
 * app. Whatever is asked for
 * beneath these paths is answered in the contract's form; everything else is left to the app.
 */
export const layerExecute = (options: Prefix.MountOptions = {}) => mount(execute, options, executePaths)

/** The half that the operator uses, `/api/sandbox`, in an `HttpLayerRouter` app; like `layerExecute`. */
export const layerAdmin = (options: Prefix.MountOptions = {}) => mount(admin, options, adminPaths)

/** `/health` and `/ready` in an `HttpLayerRouter` app. */
export const layerHealth = (options: Prefix.MountOptions = {}) => mount(health, options, healthPaths)

export interface DocsOptions extends Prefix.MountOptions {
  /** What to describe: the whole contract unless told, or one half, like `BulkheadAdminApi`. */
  readonly api?: HttpApi.HttpApi.Any | undefined
}

/** `/openapi.json`, and `/docs` to read it, in an `HttpLayerRouter` app; the paths in it have the prefix. */
export const layerDocs = ({ api = BulkheadApi, ...options }: DocsOptions = {}) =>
  mount((prefix) => docs(prefix, api), options, Object.values(docsPaths))

/**
 * The whole contract and its docs in an `HttpLayerRouter` app. Under a prefix, all that is beneath it is answered, also
 * what is not there; at the root, only the contract's own paths are.
 */
export const layer = (options: Prefix.MountOptions = {}) => {
  const prefix = Prefix.of(options)
  return prefix === ""
    ? mount(whole, options, [...executePaths, ...adminPaths, ...healthPaths, ...Object.values(docsPaths)])
    : Mount.at(whole(prefix), [prefix])
}

/**
 * The whole contract and its docs as an app of their own, which answers every request. An app of `HttpApiBuilder.serve`
 * mounts it by `mountApp` of `HttpApiBuilder.Router`, with the same prefix and `includePrefix`.
 */
export const make = (options: Prefix.MountOptions = {}) =>
  Effect.flatMap(McpUse, ({ isServed }) =>
    Mount.app(whole(Prefix.of(options), isServed ? BulkheadApiWithMcp : BulkheadApi))
  )

/** The callers' half alone; like `make`. */
export const makeExecute = (options: Prefix.MountOptions = {}) => Mount.app(execute(Prefix.of(options)))

/** The operator's half alone; like `make`. */
export const makeAdmin = (options: Prefix.MountOptions = {}) => Mount.app(admin(Prefix.of(options)))
