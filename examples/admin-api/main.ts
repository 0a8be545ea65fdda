// The operator's routes beneath a prefix of an app that has routes of its own. The sandboxes are mocks.
import { createServer } from "node:http"
import { AdminToken, Authentication, BulkheadHttp } from "@bulkhead/http"
import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import {
  HttpClient,
  HttpClientRequest,
  HttpLayerRouter,
  HttpServer,
  HttpServerResponse
} from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"

const token = Redacted.make("a-long-random-text")

const Sandboxes = SandboxService.layer().pipe(Layer.provide(MockSandboxProvider.layer()))

const own = HttpLayerRouter.add("GET", "/", HttpServerResponse.text("my own page"))

const operator = BulkheadHttp.layerAdmin({ prefix: "/ops" }).pipe(
  Layer.provide(Sandboxes),
  Layer.provide(Authentication.layerAdmin),
  Layer.provide(AdminToken.layer(token))
)

const App = HttpLayerRouter.serve(Layer.merge(own, operator), {
  disableListenLog: true,
  disableLogger: true
}).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })))

const show = Effect.fn("show")(function* (request: HttpClientRequest.HttpClientRequest) {
  const { status, text } = yield* HttpServer.addressFormattedWith((url) =>
    HttpClient.execute(HttpClientRequest.prependUrl(request, url))
  )
  yield* Console.log(request.url, status, (yield* text).slice(0, 60))
}, Effect.scoped)

await Effect.gen(function* () {
  yield* show(HttpClientRequest.get("/"))
  const metrics = HttpClientRequest.get("/ops/api/sandbox/metrics/ann")
  yield* show(metrics)
  yield* show(HttpClientRequest.bearerToken(metrics, token))
}).pipe(Effect.provide(App), Effect.provide(NodeHttpClient.layer), Effect.runPromise)
