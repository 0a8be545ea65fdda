import { BulkheadHttp } from "@bulkhead/http"
import { HttpServer } from "@effect/platform"
import { Effect, Layer } from "effect"
import * as Listener from "./Listener.js"

/** Serves the HTTP contract. Listens only once every route is there, so that no early request finds none. */
export const layer = Layer.unwrapScoped(
  Effect.map(BulkheadHttp.make(), (app) => HttpServer.serve(app).pipe(Layer.provideMerge(Listener.layer)))
)
