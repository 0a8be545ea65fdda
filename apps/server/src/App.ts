import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as HttpApp from "./http/HttpApp.js"
import * as Listener from "./Listener.js"

/** Serves the HTTP contract. Listens only once every route is there, so that no early request finds none. */
export const layer = Layer.unwrapScoped(
  Effect.map(HttpApp.make, (app) => HttpServer.serve(app).pipe(Layer.provideMerge(Listener.layer)))
).pipe(Layer.provide(NodeHttpServer.layerContext))
