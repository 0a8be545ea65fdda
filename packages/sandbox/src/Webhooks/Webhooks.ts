import {
  type Page,
  type SigningSecret,
  type UserId,
  type Webhook,
  type WebhookDelivery,
  type WebhookMessageNotFound,
  type WebhookMetrics,
  type WebhookRefused,
  WebhooksOff
} from "@bulkhead/domain"
import { Context, Effect } from "effect"
import type { StoreFailure } from "../Record/ExecutionStore.js"
import type { MessageQuery } from "./Outbox.js"

const off = new WebhooksOff()

/**
 * Whoever sends webhooks, as the service and its API know it. Default: nobody does, and a request that asks for one is
 * refused.
 */
export class Webhooks extends Context.Reference<Webhooks>()("@bulkhead/sandbox/Webhooks", {
  defaultValue: (): {
    /** Whether what happens has to be announced to the store. */
    readonly areSent: boolean
    /** Why nothing may be sent there, as far as the URL itself shows; undefined: it may. */
    readonly flawOf: (url: string) => string | undefined
    readonly metrics: Effect.Effect<WebhookMetrics, StoreFailure | WebhooksOff>
    /** A user's standing webhooks, which are told of all executions of that user. */
    readonly standing: (userId: UserId) => Effect.Effect<ReadonlyArray<Webhook>, StoreFailure | WebhooksOff>
    /** Puts these in the place of the user's standing webhooks; none: removes them. */
    readonly setStanding: (
      userId: UserId,
      webhooks: ReadonlyArray<Webhook>
    ) => Effect.Effect<void, StoreFailure | WebhookRefused | WebhooksOff>
    /** With what the user's messages are signed; made when it is asked for, or needed, for the first time. */
    readonly secret: (userId: UserId) => Effect.Effect<SigningSecret, StoreFailure | WebhooksOff>
    /** Makes a new secret. The one before it signs too for so many hours. */
    readonly rotateSecret: (
      userId: UserId,
      overlapHours: number
    ) => Effect.Effect<SigningSecret, StoreFailure | WebhooksOff>
    /** Messages, newest first. */
    readonly messages: (
      query: MessageQuery
    ) => Effect.Effect<Page<WebhookDelivery>, StoreFailure | WebhooksOff>
    /** Sends a message that failed again, for as long as a new one is tried. */
    readonly resend: (
      messageId: string
    ) => Effect.Effect<void, StoreFailure | WebhookMessageNotFound | WebhooksOff>
  } => ({
    areSent: false,
    flawOf: () => "expected no webhook, since this service sends none",
    metrics: Effect.fail(off),
    standing: () => off,
    setStanding: () => off,
    secret: () => off,
    rotateSecret: () => off,
    messages: () => off,
    resend: () => off
  })
}) {}
