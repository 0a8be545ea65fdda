import { BulkheadHttp, McpUse } from "@bulkhead/http"
import { McpHttp } from "@bulkhead/mcp"
import { HttpMiddleware, HttpServer, HttpServerRequest } from "@effect/platform"
import { Effect, Layer } from "effect"
import { Draining } from "./Draining.js"
import * as Dashboard from "./dashboard/Dashboard.js"
import * as Listener from "./Listener.js"
import { Exposition } from "./observability/Exposition.js"
import * as MetricsListener from "./observability/MetricsListener.js"
import * as MetricsRoute from "./observability/MetricsRoute.js"
import * as RequestObserver from "./observability/RequestObserver.js"

const make = Effect.gen(function* () {
  const contract = yield* BulkheadHttp.make()
  const mcp = yield* McpHttp.make()
  const dashboard = yield* Dashboard.make(contract)
  const metrics = yield* MetricsRoute.make
  const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    if (McpHttp.isFor(request)) return mcp
    if (MetricsRoute.isFor(request)) return metrics
    return Dashboard.isFor(request) ? dashboard.app : contract
  })
  return { app, close: dashboard.close, observer: yield* RequestObserver.make }
})

const served = Layer.unwrapScoped(
  Effect.map(make, ({ app, close, observer }) =>
    Layer.scopedDiscard(Effect.addFinalizer(() => close)).pipe(
      // While connections are closed, what comes on them is still answered.
      Layer.provide(Draining.layerEnd),
      Layer.provide(
        HttpServer.serve(app, observer).pipe(
          // The observer has a span of its own, without what callers' headers and queries have of secrets.
          HttpMiddleware.withTracerDisabledWhen(() => true)
        )
      ),
      Layer.provideMerge(Listener.layer)
    )
  )
)

/**
 * Serves the HTTP contract, MCP, the dashboard and the metrics. Listens only once every route is there, so that no
 * early request finds none.
 */
export const layer = Layer.merge(served, MetricsListener.layer).pipe(
  Layer.provide(Exposition.layer),
  Layer.provide(McpUse.layer)
)
