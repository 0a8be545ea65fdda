import { McpBridge, McpStdio } from "@bulkhead/mcp"
import { SandboxService } from "@bulkhead/sandbox"
import { FetchHttpClient } from "@effect/platform"
import { Effect, Layer, Logger, Option } from "effect"
import * as Backend from "../Backend.js"
import * as CodeAnalysis from "../CodeAnalysis.js"
import { DataDirectory } from "../data/DataDirectory.js"
import { Holder } from "../data/Holder.js"
import { Instance } from "../data/Instance.js"
import * as OwnData from "../data/OwnData.js"
import * as KeptSecretsFile from "../KeptSecretsFile.js"
import * as Store from "../Store.js"
import { McpConfig } from "../settings/McpConfig.js"
import * as Settings from "../settings/Settings.js"
import * as Warnings from "../settings/Warnings.js"
import { processIo } from "./ProcessIo.js"

/** What runs programs in this process, as a server has it. */
const services = SandboxService.layerOver.pipe(
  Layer.provide(CodeAnalysis.layer),
  Layer.provide(KeptSecretsFile.layer),
  Layer.provideMerge(Store.layer),
  Layer.provide(Backend.layer),
  Layer.provide(Instance.layer),
  Layer.provide(Holder.layer),
  Layer.provide(DataDirectory.layer),
  Layer.provide(Warnings.layer),
  Layer.provide(OwnData.layer),
  Layer.provide(Settings.layerFromEnv)
)

/** MCP over stdio: with a running server if the settings name one, else in this process. Ends with its client. */
export const run = Effect.flatMap(McpConfig, ({ key, url }) =>
  Option.match(url, {
    onNone: () => Effect.provide(McpStdio.serve(processIo), services),
    onSome: (url) =>
      McpBridge.run({ key, url }, processIo).pipe(
        Effect.provide(FetchHttpClient.layer),
        // Nobody records traces here: the server would go on with one that leads nowhere.
        Effect.withTracerEnabled(false)
      )
  })
).pipe(Effect.provide(McpConfig.layerFromEnv))

/** stdout is for messages alone. */
export const logs = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.jsonLogger))
