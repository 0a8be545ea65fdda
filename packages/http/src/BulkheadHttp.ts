import { BulkheadApi } from "@bulkhead/api"
import { HttpLayerRouter } from "@effect/platform"
import { Effect, Layer } from "effect"
import * as AdminHandlers from "./AdminHandlers.js"
import * as ArtifactHandlers from "./artifacts/ArtifactHandlers.js"
import * as ArtifactPath from "./artifacts/ArtifactPath.js"
import * as AdminAuthentication from "./authentication/AdminAuthentication.js"
import * as CallerAuthentication from "./authentication/CallerAuthentication.js"
import * as ReaderAuthentication from "./authentication/ReaderAuthentication.js"
import * as Docs from "./Docs.js"
import * as ExecuteHandlers from "./ExecuteHandlers.js"
import * as Fallback from "./Fallback.js"
import * as HealthHandlers from "./HealthHandlers.js"

const Authentication = ReaderAuthentication.layer.pipe(
  Layer.provideMerge(Layer.merge(AdminAuthentication.layer, CallerAuthentication.layer))
)

const Handlers = Layer.mergeAll(
  ExecuteHandlers.layer,
  ArtifactHandlers.layer,
  AdminHandlers.layer,
  HealthHandlers.layer
).pipe(Layer.provide(Authentication))

const Routes = Layer.merge(HttpLayerRouter.addHttpApi(BulkheadApi).pipe(Layer.provide(Handlers)), Docs.layer)

// Long enough for an encoded user id and for an artifact's name; a longer one matches no route.
const routerConfig = { maxParamLength: 1024 }

/** Every route of the contract, over the services in its context. */
export const make = HttpLayerRouter.toHttpEffect(Routes).pipe(
  Effect.provideService(HttpLayerRouter.RouterConfig, routerConfig),
  Effect.map((app) => Effect.catchAllCause(ArtifactPath.encode(app), Fallback.answer))
)
