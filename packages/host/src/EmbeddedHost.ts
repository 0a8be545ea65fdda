import type { Gpus } from "@bulkhead/domain"
import { NodeContext } from "@effect/platform-node"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import * as ControlPlane from "./ControlPlane/ControlPlane.js"
import * as SandboxTable from "./ControlPlane/SandboxTable.js"
import * as FilesystemService from "./Envd/FilesystemService.js"
import * as FileTransfer from "./Envd/FileTransfer.js"
import * as ProcessService from "./Envd/ProcessService.js"
import * as GuestNetwork from "./Guest/GuestNetwork.js"
import * as SelfCheck from "./Guest/SelfCheck.js"
import type { ImageUnusable, IsolationUnavailable, ListenFailed } from "./HostErrors.js"
import { defaults, type HostOptions } from "./HostOptions.js"
import * as HttpServer from "./Http/HttpServer.js"
import * as Isolation from "./Isolation/Isolation.js"
import type { IsolationDescription } from "./Isolation/IsolationDescription.js"
import type { LauncherHealth } from "./Launcher/Launcher.js"
import * as Secrets from "./Secrets.js"

/** A running host, as its clients need to know it. */
export interface EmbeddedHostService {
  /** Where both E2B's API and its sandboxes answer: the SDK's `apiUrl` and `sandboxUrl`. */
  readonly url: string
  /** The key that the API takes. */
  readonly apiKey: Redacted.Redacted<string>
  /** What sandboxes are isolated with. */
  readonly isolation: IsolationDescription
  /** Whether sandboxes can be made, and how often their launcher was started again. */
  readonly health: Effect.Effect<LauncherHealth>
  /** The GPUs that sandboxes can be given. */
  readonly gpus: ReadonlyArray<Gpus>
  /** How many sandboxes run now. */
  readonly sandboxes: Effect.Effect<number>
}

const make = (
  given: Partial<HostOptions>
): Effect.Effect<EmbeddedHostService, ImageUnusable | IsolationUnavailable | ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const options = { ...defaults, ...given }
    const apiKey = options.apiKey ?? Redacted.make(`e2b_${Secrets.token()}`)
    const isolation = yield* Isolation.make(options)
    yield* SelfCheck.run(isolation)
    yield* SelfCheck.runImages(isolation)
    // Before the sandboxes, so that it closes after them: their clients hear of their end.
    const server = yield* HttpServer.listen(options.address, options.port)
    const networks = yield* GuestNetwork.make(options, HttpServer.portOf(server))
    const sandboxes = yield* SandboxTable.make(isolation, networks)
    const routes = [
      ...ControlPlane.routes(sandboxes, isolation, networks.options, apiKey),
      ...ProcessService.routes(sandboxes, isolation.users),
      ...FilesystemService.routes(sandboxes, isolation.users),
      ...FileTransfer.routes(sandboxes, isolation.users)
    ]
    // Spans for each request cost a sixth of the host's share of an execution.
    yield* Effect.withTracerEnabled(HttpServer.serve(server, routes), false)
    return {
      url: HttpServer.urlOf(server, options.address),
      apiKey,
      isolation: isolation.description,
      health: isolation.plain.launcher.health,
      gpus: isolation.gpus.present,
      sandboxes: Effect.sync(() => sandboxes.all().length)
    }
  }).pipe(Effect.provide(NodeContext.layer))

/** A small local server that speaks E2B's API over Linux isolation, so that the real SDK runs code on this machine. */
export class EmbeddedHost extends Context.Tag("@bulkhead/host/EmbeddedHost")<
  EmbeddedHost,
  EmbeddedHostService
>() {
  /**
   * Starts the host, once a throw-away sandbox has shown that isolation works here, and one of each image that programs
   * start in it. When the scope closes, every
   * sandbox is killed, each death is proven, and the server stops.
   */
  static layer(
    options: Partial<HostOptions> = {}
  ): Layer.Layer<EmbeddedHost, ImageUnusable | IsolationUnavailable | ListenFailed> {
    return Layer.scoped(EmbeddedHost, make(options))
  }
}
