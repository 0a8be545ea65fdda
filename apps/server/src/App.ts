import { BulkheadHttp, McpUse } from "@bulkhead/http"
import { McpHttp } from "@bulkhead/mcp"
import { HttpServer, HttpServerRequest } from "@effect/platform"
import { Effect, Layer } from "effect"
import * as Listener from "./Listener.js"

const app = Effect.gen(function* () {
  const contract = yield* BulkheadHttp.make()
  const mcp = yield* McpHttp.make()
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    McpHttp.isFor(request) ? mcp : contract
  )
})

/** Serves the HTTP contract and MCP. Listens only once every route is there, so that no early request finds none. */
export const layer = Layer.unwrapScoped(
  Effect.map(app, (app) => HttpServer.serve(app).pipe(Layer.provideMerge(Listener.layer)))
).pipe(Layer.provide(McpUse.layer))
