import { ThisMachine } from "@bulkhead/http"
import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { ConfigError, Effect, Layer, Option } from "effect"
import { boundedServer } from "../ConnectionBounds.js"
import { ObservabilityConfig } from "../settings/ObservabilityConfig.js"
import { Exposition } from "./Exposition.js"
import * as MetricsRoute from "./MetricsRoute.js"

/** Whoever reads metrics comes every few seconds. */
const bounds = { connections: 32, requestTimeout: 10 }

const host = "127.0.0.1"

/** A web page whose own host name resolves to this machine must not read them (DNS rebinding). */
const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
  if (!MetricsRoute.isFor(request))
    return HttpServerResponse.text(`Only ${MetricsRoute.path} is here\n`, { status: 404 })
  return ThisMachine.namesThisMachine(request)
    ? MetricsRoute.open
    : HttpServerResponse.text(`${ThisMachine.expected}\n`, { status: 403 })
})

const serveAt = Effect.fnUntraced(function* (port: number) {
  const exposition = yield* Exposition
  const server = boundedServer(bounds)
  const { address, serve } = yield* NodeHttpServer.make(() => server, { host, port }).pipe(
    Effect.mapError(() =>
      ConfigError.InvalidData(
        ["METRICS_PORT"],
        `cannot listen on ${host}, port ${port}; expected a free port, or 0 for any`
      )
    )
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  yield* serve(Effect.provideService(app, Exposition, exposition))
  const at = address._tag === "TcpAddress" ? address.port : port
  yield* Effect.logInfo(`Metrics are at http://${host}:${at}${MetricsRoute.path}`)
})

/** Serves the metrics without a token to this machine alone, where the settings give it a port. */
export const layer = Layer.scopedDiscard(
  Effect.flatMap(ObservabilityConfig, ({ metricsPort }) =>
    Option.match(metricsPort, { onNone: () => Effect.void, onSome: serveAt })
  )
)
