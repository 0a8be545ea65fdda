import { Schema } from "effect"
import { ExecutionId } from "./ExecutionId.js"
import { ExecutionResult } from "./ExecutionResult.js"
import { ExecutionSummary } from "./ExecutionSummary.js"
import { UserId } from "./UserId.js"

/** What a webhook may be told of: that an execution waits, that it starts, and that it has ended, however it did. */
export const WebhookEvent = Schema.Literal("execution.queued", "execution.started", "execution.completed")
export type WebhookEvent = typeof WebhookEvent.Type

const mostCharacters = 2048

/** What is wrong with an address to send to, as far as its text shows; undefined: nothing. */
const flawOfUrl = (url: string): string | undefined => {
  if (url.length > mostCharacters) return `at most ${mostCharacters} characters`
  if (!/^https?:\/\//i.test(url)) return "a URL that begins with https:// or http://"
  if (!/^[\x21-\x7e]+$/.test(url) || url.includes("\\"))
    return "a URL of ASCII characters without spaces and \\"
  if (url.includes("#")) return "a URL without a fragment"
  return /^https?:\/\/[^/?]*@/i.test(url) ? "a URL without a user name or password" : undefined
}

const WebhookUrl = Schema.String.pipe(
  Schema.filter((url) => flawOfUrl(url) === undefined, {
    message: ({ actual }) => `expected ${flawOfUrl(String(actual))}`
  })
)

const WebhookEvents = Schema.Array(WebhookEvent)
  .annotations({ description: "an array of events" })
  .pipe(
    Schema.filter(({ length }) => length >= 1 && length <= WebhookEvent.literals.length, {
      message: () => `expected 1 to ${WebhookEvent.literals.length} events`
    })
  )

const usualEvents: ReadonlyArray<WebhookEvent> = ["execution.completed"]

const WebhookObject = Schema.Struct({
  /** Where messages are posted to: http or https, without a user name, password or fragment. */
  url: WebhookUrl,
  /** `execution.completed` unless told. */
  events: Schema.optionalWith(WebhookEvents, { nullable: true, default: () => usualEvents })
}).annotations({ description: "a JSON object" })

/** Where to send messages, and of what: `{url, events?}`, or the URL alone. */
export const Webhook = Schema.Union(
  WebhookObject,
  Schema.transform(WebhookUrl, Schema.typeSchema(WebhookObject), {
    strict: true,
    decode: (url) => ({ url, events: usualEvents }),
    encode: ({ url }) => url
  })
)
export type Webhook = typeof WebhookObject.Type

/** Most standing webhooks of one user. */
export const mostStandingWebhooks = 8

/** The webhooks that are told of every execution of a user. */
export const StandingWebhooks = Schema.Struct({
  webhooks: Schema.Array(Webhook)
    .annotations({ description: "an array of webhooks" })
    .pipe(
      Schema.maxItems(mostStandingWebhooks, {
        message: () => `expected at most ${mostStandingWebhooks} webhooks`
      })
    )
})
export type StandingWebhooks = typeof StandingWebhooks.Type

/** The body of a message. */
export const WebhookMessage = Schema.Struct({
  type: WebhookEvent,
  /** When it happened, in ISO 8601. */
  timestamp: Schema.String,
  data: Schema.Struct({
    /** As it was then. */
    execution: ExecutionSummary,
    /** Of an execution that ended and had one; without what is listed in `cut`. */
    result: Schema.optional(ExecutionResult),
    /** What is not there in full: `stdout`, `stderr`, `artifacts`, `rejectedArtifacts`. */
    cut: Schema.Array(Schema.String)
  })
})
export type WebhookMessage = typeof WebhookMessage.Type

/** `failed`: it was given up, and waits to be sent again by hand. */
export const WebhookMessageState = Schema.Literal("pending", "delivered", "failed")
export type WebhookMessageState = typeof WebhookMessageState.Type

/** One message, as the operator sees it. Times are milliseconds since the epoch. */
export const WebhookDelivery = Schema.Struct({
  messageId: Schema.String,
  executionId: ExecutionId,
  userId: UserId,
  event: WebhookEvent,
  url: Schema.String,
  state: WebhookMessageState,
  /** How often it was tried since it was written, or since it was asked to be sent again. */
  attempts: Schema.Number,
  createdAt: Schema.Number,
  /** When it is tried next. Absent: it is not. */
  nextAt: Schema.optional(Schema.Number),
  /** When it was delivered or given up. */
  settledAt: Schema.optional(Schema.Number),
  /** What came of the last try, such as `answered 500`. */
  outcome: Schema.optional(Schema.String)
})
export type WebhookDelivery = typeof WebhookDelivery.Type

/** How many messages are in which state, of those that are still kept. */
export const WebhookMetrics = Schema.Struct({
  pending: Schema.Number,
  failed: Schema.Number,
  delivered: Schema.Number
})
export type WebhookMetrics = typeof WebhookMetrics.Type

/** With what a user's messages are signed, in the form of Standard Webhooks. */
export const SigningSecret = Schema.Struct({
  /** `whsec_` and 32 bytes in base64. */
  secret: Schema.String,
  /** The one before it, which signs too until `previousUntil` (milliseconds since the epoch). */
  previous: Schema.optional(Schema.String),
  previousUntil: Schema.optional(Schema.Number)
})
export type SigningSecret = typeof SigningSecret.Type

/** This service sends no webhooks. */
export class WebhooksOff extends Schema.TaggedError<WebhooksOff>()("WebhooksOff", {}) {
  override get message() {
    return "This service sends no webhooks"
  }
}

/** A webhook that may not be sent to. The message says why. */
export class WebhookRefused extends Schema.TaggedError<WebhookRefused>()("WebhookRefused", {
  message: Schema.String
}) {}

/** No message that failed has this id. */
export class WebhookMessageNotFound extends Schema.TaggedError<WebhookMessageNotFound>()(
  "WebhookMessageNotFound",
  { messageId: Schema.String }
) {
  override get message() {
    return `No message that failed has the id '${this.messageId}'`
  }
}
