import { BulkheadApiWithMcp } from "@bulkhead/api"
import { RequestFacts, RequestPath, Routes } from "@bulkhead/http"
import { Instruments } from "@bulkhead/sandbox"
import { type HttpApp, HttpServerError, HttpServerRequest } from "@effect/platform"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Clock, Effect, Metric, Option, Ref, type Tracer } from "effect"
import { ObservabilityConfig } from "../settings/ObservabilityConfig.js"
import * as AccessLog from "./AccessLog.js"
import * as MetricsRoute from "./MetricsRoute.js"
import * as TraceParent from "./TraceParent.js"

const requests = Instruments.labelled(
  Instruments.counter(
    "bulkhead_http_requests_total",
    "HTTP requests that were answered; 499: the client left."
  ),
  ["method", "route", "status"]
)
const requestTime = Instruments.labelled(
  Instruments.seconds(
    "bulkhead_http_request_seconds",
    "How long HTTP requests took, to the end of their answers."
  ),
  ["method", "route"]
)

const others = ["/mcp", "/dashboard", MetricsRoute.path, "/docs", "/openapi.json"]

/** Every route of the server. */
const routes: ReadonlyArray<Routes.Route> = [
  ...Routes.of(BulkheadApiWithMcp),
  ...others.map((path) => ({ method: "GET", path }))
]

/** They come every few seconds and cause nothing. */
const probes: ReadonlySet<string> = new Set(["/health", "/ready", MetricsRoute.path])

/** As long as there is an answer, what its socket has sent. */
const sentBytes = (request: HttpServerRequest.HttpServerRequest) => {
  const { socket } = NodeHttpServerRequest.toServerResponse(request)
  const before = socket?.bytesWritten ?? 0
  return Effect.sync(() => (socket?.bytesWritten ?? 0) - before)
}

const spanOptions = (request: HttpServerRequest.HttpServerRequest, route: string): Tracer.SpanOptions => ({
  ...Option.match(TraceParent.of(request.headers), {
    onNone: () => ({ root: true }),
    onSome: (parent) => ({ parent })
  }),
  kind: probes.has(route) ? "internal" : "server",
  captureStackTrace: false,
  attributes: { "http.request.method": request.method, "http.route": route }
})

/** Follows each request to the end of its answer: as a span, in the metrics, and in the access log if there is one. */
export const make = Effect.map(
  ObservabilityConfig,
  ({ logsRequests }) =>
    <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const { method } = request
        const path = RequestPath.of(request.originalUrl)
        const route = Routes.patternOf(routes, path) ?? Instruments.other
        return Effect.useSpan(`${method} ${route}`, spanOptions(request, route), (span) =>
          Effect.gen(function* () {
            const from = yield* Clock.currentTimeNanos
            const bytes = sentBytes(request)
            const facts = yield* Ref.make<RequestFacts.Facts>({})
            const exit = yield* app.pipe(
              Effect.provideService(RequestFacts.RequestFacts, {
                note: (more) => Ref.update(facts, (sofar) => ({ ...sofar, ...more }))
              }),
              Effect.withParentSpan(span),
              Effect.exit
            )
            const { status } = HttpServerError.exitResponse(exit)
            const now = yield* Clock.currentTimeNanos
            const ms = Number(now - from) / 1_000_000
            const { caller, executionId = AccessLog.executionIn(route, path) } = yield* Ref.get(facts)
            yield* Metric.increment(requests({ method, route, status: String(status) }))
            yield* Metric.update(requestTime({ method, route }), ms / 1000)
            span.attribute("http.response.status_code", status)
            if (executionId !== undefined) span.attribute("bulkhead.execution.id", executionId)
            if (logsRequests)
              yield* AccessLog.write({
                ...{ method, route, path, status, ms, caller, executionId, span },
                bytes: yield* bytes
              })
            return yield* exit
          })
        )
      })
)
