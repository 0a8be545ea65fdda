import type { Network } from "@bulkhead/domain"
import { Config, type ConfigError, Context, Layer, Option } from "effect"
import { variables } from "./Variables.js"

/** Whether and how the server sends webhooks. */
export interface WebhookSettings {
  readonly areSent: boolean
  /** What may be connected to beside public addresses. */
  readonly networks: ReadonlyArray<Network>
  /** Hours that a message is tried. */
  readonly patience: number
  /** Tries at once. */
  readonly concurrency: number
}

/** How this server sends webhooks. */
export class WebhookConfig extends Context.Tag("@bulkhead/server/WebhookConfig")<
  WebhookConfig,
  WebhookSettings
>() {
  /** From the environment. A bad value is a `ConfigError` that names the variable and what it takes. */
  static readonly layerFromEnv: Layer.Layer<WebhookConfig, ConfigError.ConfigError> = Layer.effect(
    WebhookConfig,
    Config.all({
      areSent: Config.map(variables.webhooks.config, (word) => word === "on"),
      networks: Config.map(
        variables.webhookNetworks.config,
        Option.getOrElse((): ReadonlyArray<Network> => [])
      ),
      patience: variables.webhookHours.config,
      concurrency: variables.webhookConcurrency.config
    })
  )
}
