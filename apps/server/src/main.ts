import { SandboxService } from "@bulkhead/sandbox"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Logger } from "effect"
import * as App from "./App.js"
import * as Backend from "./Backend.js"
import * as Banner from "./Banner.js"
import * as Shutdown from "./Shutdown.js"
import * as StandardStreams from "./StandardStreams.js"
import * as StartFailure from "./StartFailure.js"
import * as Store from "./Store.js"
import * as Settings from "./settings/Settings.js"

const Server = Layer.mergeAll(Banner.layer, Shutdown.layer).pipe(
  Layer.provide(App.layer),
  Layer.provide(SandboxService.layerOver),
  Layer.provide(Store.layer),
  Layer.provide(Backend.layer),
  Layer.provide(Settings.layerFromEnv)
)

const StderrLogger = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

Effect.all([StandardStreams.survive, Shutdown.onSecondSignal, Layer.launch(Server)], { discard: true }).pipe(
  Effect.tapErrorCause(StartFailure.report),
  Effect.provide(StderrLogger),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
