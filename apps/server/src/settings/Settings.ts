import { defaultLimits, Limits } from "@bulkhead/sandbox"
import { Effect, Layer } from "effect"
import { AnalysisConfig } from "./AnalysisConfig.js"
import { limitDefaults } from "./BackendChoice.js"
import { ClusterConfig } from "./ClusterConfig.js"
import { McpConfig } from "./McpConfig.js"
import { NetworkConfig } from "./NetworkConfig.js"
import { ObservabilityConfig } from "./ObservabilityConfig.js"
import { SecretsConfig } from "./SecretsConfig.js"
import { ServerConfig } from "./ServerConfig.js"
import type { Description } from "./Setting.js"
import { StoreConfig } from "./StoreConfig.js"
import { variables } from "./Variables.js"
import { WebhookConfig } from "./WebhookConfig.js"

const places = { E2B: "on E2B", Embedded: "on the embedded host" } as const

const defaultOf = (limit: keyof typeof defaultLimits) =>
  [
    String(defaultLimits[limit]),
    ...(["E2B", "Embedded"] as const)
      .filter((backend) => limitDefaults[backend][limit] !== undefined)
      .map((backend) => `${places[backend]} ${limitDefaults[backend][limit]}`)
  ].join(", ")

/** Every variable of the environment that the server reads. */
export const all: ReadonlyArray<Description> = [
  ...Limits.variables.map(({ limit, meaning, name }) => ({
    name,
    meaning,
    otherwise: defaultOf(limit),
    isSecret: false
  })),
  ...Object.values(variables)
]

const limits = Layer.unwrapEffect(
  Effect.map(ServerConfig, ({ backend }) => Limits.layerFromEnvOver(limitDefaults[backend._tag]))
)

/** All settings from the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
export const layerFromEnv = Layer.mergeAll(limits, ServerConfig.authentication).pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      ServerConfig.layerFromEnv,
      StoreConfig.layerFromEnv,
      WebhookConfig.layerFromEnv,
      AnalysisConfig.layerFromEnv,
      McpConfig.layerFromEnv,
      NetworkConfig.layerFromEnv,
      ObservabilityConfig.layerFromEnv,
      SecretsConfig.layerFromEnv,
      ClusterConfig.layerFromEnv
    )
  )
)
