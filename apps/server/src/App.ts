import { BulkheadApi } from "@bulkhead/api"
import { HttpLayerRouter, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as AdminHandlers from "./AdminHandlers.js"
import * as ArtifactHandlers from "./ArtifactHandlers.js"
import * as Authentication from "./Authentication.js"
import * as Docs from "./Docs.js"
import * as ExecuteHandlers from "./ExecuteHandlers.js"
import * as Fallback from "./Fallback.js"
import * as HealthHandlers from "./HealthHandlers.js"
import * as Listener from "./Listener.js"

const Handlers = Layer.mergeAll(
  ExecuteHandlers.layer,
  ArtifactHandlers.layer,
  AdminHandlers.layer,
  HealthHandlers.layer
).pipe(
  Layer.provide(ArtifactHandlers.authentication),
  Layer.provide(Layer.merge(Authentication.admin, Authentication.caller))
)

const Routes = Layer.mergeAll(
  HttpLayerRouter.addHttpApi(BulkheadApi).pipe(Layer.provide(Handlers)),
  Docs.layer
).pipe(Layer.provide(NodeHttpServer.layerContext))

// Long enough for an encoded user id and an artifact's name; what is longer finds no route.
const routerConfig = { maxParamLength: 1024 }

const app = HttpLayerRouter.toHttpEffect(Routes).pipe(
  Effect.provideService(HttpLayerRouter.RouterConfig, routerConfig),
  Effect.map((app) => Effect.catchAllCause(ArtifactHandlers.pathAsName(app), Fallback.answer))
)

/** Serves the contract. Listens only once every route is there, so that no early request goes unanswered. */
export const layer = Layer.unwrapScoped(
  Effect.map(app, (app) => HttpServer.serve(app).pipe(Layer.provideMerge(Listener.layer)))
)
