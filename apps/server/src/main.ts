import { UserInstruments } from "@bulkhead/sandbox"
import { Lease } from "@bulkhead/store"
import { NodeRuntime, NodeStream } from "@effect/platform-node"
import { Context, Effect, Layer, Stream } from "effect"
import * as App from "./App.js"
import * as Backend from "./Backend.js"
import * as BackupCheck from "./BackupCheck.js"
import * as Banner from "./Banner.js"
import * as CodeAnalysis from "./CodeAnalysis.js"
import { DataDirectory } from "./data/DataDirectory.js"
import { Holder } from "./data/Holder.js"
import { Instance } from "./data/Instance.js"
import * as OwnData from "./data/OwnData.js"
import * as KeptSecretsFile from "./KeptSecretsFile.js"
import * as Logs from "./Logs.js"
import * as Mcp from "./mcp/Mcp.js"
import * as Collecting from "./observability/Collecting.js"
import * as Replicas from "./Replicas.js"
import * as Shutdown from "./Shutdown.js"
import * as StandardStreams from "./StandardStreams.js"
import * as StartFailure from "./StartFailure.js"
import * as Store from "./Store.js"
import { ObservabilityConfig } from "./settings/ObservabilityConfig.js"
import * as Settings from "./settings/Settings.js"
import * as Warnings from "./settings/Warnings.js"
import * as Turns from "./Turns.js"
import * as WebhookDelivery from "./WebhookDelivery.js"

const Users = Layer.effect(
  UserInstruments,
  Effect.map(ObservabilityConfig, ({ measuresUsers }) => ({ areOn: measuresUsers }))
)

const Server = Layer.mergeAll(Banner.layer, Shutdown.layer).pipe(
  Layer.provide(App.layer),
  Layer.provide(Replicas.layer),
  Layer.provide(Users),
  Layer.provide(CodeAnalysis.layer),
  Layer.provide(KeptSecretsFile.layer),
  Layer.provide(WebhookDelivery.layer),
  Layer.provideMerge(Store.layer),
  Layer.provide(Backend.layer),
  Layer.provide(Instance.layer),
  Layer.provide(Holder.layer),
  Layer.provide(DataDirectory.layer),
  Layer.provide(Warnings.layer),
  Layer.provide(Collecting.layer)
)

/** Ends by itself only when another server took this one for dead. */
const run = Layer.build(Server).pipe(
  Effect.flatMap((services) => Context.get(services, Lease.Lease).lost),
  Effect.scoped
)

const serve = Effect.all([StandardStreams.survive, Shutdown.onHangUp, Shutdown.onSecondSignal, run], {
  discard: true
}).pipe(
  Effect.provide(Settings.layerFromEnv),
  Effect.tapErrorCause(StartFailure.report),
  Effect.provide(Logs.layer)
)

/** Lives as long as whoever started it, however that ends: then its stdin does. */
const serveItsParent = Effect.raceFirst(run, Stream.runDrain(NodeStream.stdin)).pipe(
  Effect.provide(Layer.provideMerge(OwnData.layer, Settings.layerFromEnv)),
  Effect.tapErrorCause(StartFailure.report),
  Effect.provide(Logs.layer)
)

const speakMcp = Mcp.run.pipe(Effect.tapErrorCause(StartFailure.report), Effect.provide(Mcp.logs))

const modeOf = (name: string | undefined): Effect.Effect<void, unknown> => {
  switch (name) {
    case "mcp":
      return speakMcp
    case "attached":
      return Effect.zipRight(StandardStreams.survive, serveItsParent)
    case "backup-check":
      return BackupCheck.run(process.argv[3])
    default:
      return serve
  }
}

/** `mcp`: speaks MCP over stdio instead of listening. `attached`: ends with its stdin. `backup-check`: looks at a copy. */
Effect.suspend(() => modeOf(process.argv[2])).pipe(
  Turns.take,
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
