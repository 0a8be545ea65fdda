import { BulkheadHttp, McpUse } from "@bulkhead/http"
import { McpHttp } from "@bulkhead/mcp"
import { HttpMiddleware, HttpServer, HttpServerRequest } from "@effect/platform"
import { Effect, Layer } from "effect"
import * as Listener from "./Listener.js"
import { Exposition } from "./observability/Exposition.js"
import * as MetricsListener from "./observability/MetricsListener.js"
import * as MetricsRoute from "./observability/MetricsRoute.js"
import * as RequestObserver from "./observability/RequestObserver.js"

const app = Effect.gen(function* () {
  const contract = yield* BulkheadHttp.make()
  const mcp = yield* McpHttp.make()
  const metrics = yield* MetricsRoute.make
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    if (McpHttp.isFor(request)) return mcp
    return MetricsRoute.isFor(request) ? metrics : contract
  })
})

const make = Effect.map(Effect.all([app, RequestObserver.make]), ([app, observer]) =>
  HttpServer.serve(app, observer).pipe(
    // The observer has a span of its own, without what callers' headers and queries have of secrets.
    HttpMiddleware.withTracerDisabledWhen(() => true)
  )
)

/**
 * Serves the HTTP contract, MCP and the metrics. Listens only once every route is there, so that no early request finds
 * none.
 */
export const layer = Layer.merge(
  Layer.unwrapScoped(make).pipe(Layer.provideMerge(Listener.layer)),
  MetricsListener.layer
).pipe(Layer.provide(Exposition.layer), Layer.provide(McpUse.layer))
