import * as Http from "node:http"
import { type HttpApp, HttpRouter, type HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeContext, NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import * as ControlPlane from "./ControlPlane/ControlPlane.js"
import * as SandboxTable from "./ControlPlane/SandboxTable.js"
import * as FilesystemService from "./Envd/FilesystemService.js"
import * as FileTransfer from "./Envd/FileTransfer.js"
import * as ProcessService from "./Envd/ProcessService.js"
import * as SelfCheck from "./Guest/SelfCheck.js"
import { type IsolationUnavailable, ListenFailed } from "./HostErrors.js"
import { defaults, type HostOptions } from "./HostOptions.js"
import * as DirectRoutes from "./Http/DirectRoutes.js"
import * as Isolation from "./Isolation/Isolation.js"
import type { IsolationDescription } from "./Isolation/IsolationDescription.js"
import * as Secrets from "./Secrets.js"

/** A running host, as a client needs to know it. */
export interface EmbeddedHostService {
  /** Where both E2B's API and its sandboxes answer: the SDK's `apiUrl` and `sandboxUrl`. */
  readonly url: string
  /** The key that the API takes. */
  readonly apiKey: Redacted.Redacted<string>
  /** What sandboxes are isolated with. */
  readonly isolation: IsolationDescription
  /** How many sandboxes run now. */
  readonly sandboxes: Effect.Effect<number>
}

const missing = HttpServerResponse.unsafeJson({ code: 404, message: "no such route" }, { status: 404 })

/** A server that does not wait for connections that clients keep open, once its sandboxes are dead. */
const listen = (options: HostOptions) =>
  Effect.gen(function* () {
    const server = Http.createServer({ keepAliveTimeout: 60_000 })
    const http = yield* NodeHttpServer.make(() => server, { host: options.address, port: options.port }).pipe(
      Effect.mapError((cause) => new ListenFailed({ address: `${options.address}:${options.port}`, cause }))
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
    return { http, server }
  })

const serve = (server: Http.Server, find: DirectRoutes.Find, app: HttpApp.Default) =>
  Effect.gen(function* () {
    server.on("request", yield* DirectRoutes.make(find, yield* NodeHttpServer.makeHandler(app)))
  })

const urlOf = (http: HttpServer.HttpServer, options: HostOptions) => {
  const port = http.address._tag === "TcpAddress" ? http.address.port : options.port
  return `http://${options.address.includes(":") ? `[${options.address}]` : options.address}:${port}`
}

const make = (
  given: Partial<HostOptions>
): Effect.Effect<EmbeddedHostService, IsolationUnavailable | ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const options = { ...defaults, ...given }
    const apiKey = options.apiKey ?? Redacted.make(`e2b_${Secrets.token()}`)
    const isolation = yield* Isolation.make(options)
    yield* SelfCheck.run(isolation)
    const { http, server } = yield* listen(options)
    const sandboxes = yield* SandboxTable.make(isolation)
    const control = ControlPlane.make(sandboxes, options, apiKey)
    const processes = ProcessService.make(sandboxes, isolation)
    const find: DirectRoutes.Find = (method, path) =>
      control.find(method, path) ?? processes.find(method, path)
    const router = HttpRouter.concatAll(
      control.router,
      processes.router,
      FilesystemService.make(sandboxes, isolation),
      FileTransfer.make(sandboxes, isolation)
    )
    const app = Effect.catchTag(router, "RouteNotFound", () => Effect.succeed(missing))
    // Spans for each request cost a sixth of the host's share of an execution.
    yield* Effect.withTracerEnabled(serve(server, find, app), false)
    return {
      url: urlOf(http, options),
      apiKey,
      isolation: isolation.description,
      sandboxes: Effect.sync(() => sandboxes.all().length)
    }
  }).pipe(Effect.provide(NodeContext.layer))

/** A small local server that speaks E2B's API over Linux isolation, so that the real SDK runs code on this machine. */
export class EmbeddedHost extends Context.Tag("@bulkhead/host/EmbeddedHost")<
  EmbeddedHost,
  EmbeddedHostService
>() {
  /**
   * Starts the host, once a throw-away sandbox has shown that isolation works here. When the scope closes, every
   * sandbox is killed, each death is proven, and the server stops.
   */
  static layer(
    options: Partial<HostOptions> = {}
  ): Layer.Layer<EmbeddedHost, IsolationUnavailable | ListenFailed> {
    return Layer.scoped(EmbeddedHost, make(options))
  }
}
