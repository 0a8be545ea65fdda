import { WebhookSender } from "@bulkhead/webhooks"
import { Duration, Effect, Layer } from "effect"
import { WebhookConfig } from "./settings/WebhookConfig.js"

/** Sends webhooks as the settings say. Where they say that none are sent, requests that ask for one are refused. */
export const layer = Layer.unwrapEffect(
  Effect.map(WebhookConfig, ({ areSent, concurrency, networks, patience }) =>
    areSent ? WebhookSender.layer({ concurrency, networks, patience: Duration.hours(patience) }) : Layer.empty
  )
)
