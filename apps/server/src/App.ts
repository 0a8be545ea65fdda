import { BulkheadHttp, McpUse } from "@bulkhead/http"
import { McpHttp } from "@bulkhead/mcp"
import { HttpServer, HttpServerRequest } from "@effect/platform"
import { Effect, Layer } from "effect"
import * as Dashboard from "./dashboard/Dashboard.js"
import * as Listener from "./Listener.js"

const make = Effect.gen(function* () {
  const contract = yield* BulkheadHttp.make()
  const mcp = yield* McpHttp.make()
  const dashboard = yield* Dashboard.make(contract)
  const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    if (McpHttp.isFor(request)) return mcp
    return Dashboard.isFor(request) ? dashboard.app : contract
  })
  return { app, close: dashboard.close }
})

/**
 * Serves the HTTP contract, MCP and the dashboard. Listens only once every route is there, so that no early request
 * finds none.
 */
export const layer = Layer.unwrapScoped(
  Effect.map(make, ({ app, close }) =>
    Layer.merge(HttpServer.serve(app), Layer.scopedDiscard(Effect.addFinalizer(() => close))).pipe(
      Layer.provideMerge(Listener.layer)
    )
  )
).pipe(Layer.provide(McpUse.layer))
