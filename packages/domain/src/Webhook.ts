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
    message: ({ actual }) => `expected ${flawOfUrl(String(actual))}`,
    jsonSchema: { maxLength: mostCharacters }
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
  url: WebhookUrl.annotations({
    description: `Where messages are posted to: http or https, without a user name, password or fragment; ${mostCharacters} characters at most.`
  }),
  events: Schema.optionalWith(WebhookEvents, { nullable: true, default: () => usualEvents }).annotations({
    description: "What is told of; execution.completed unless told.",
    default: usualEvents
  })
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
        message: () => `expected at most ${mostStandingWebhooks} webhooks`,
        description: `Each told of every execution of the user; ${mostStandingWebhooks} at most, none removes them.`
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

const number = (description: string, example: number) =>
  Schema.Number.annotations({ description, examples: [example] })

const moment = (description: string) => number(description, 1_767_225_600_000)

/** One message, as the operator sees it. Times are milliseconds since the epoch. */
export const WebhookDelivery = Schema.Struct({
  messageId: Schema.String.annotations({
    description: "The same in every copy: its header `webhook-id`.",
    examples: ["msg_0f1e2d3c4b5a69788796a5b4c3d2e1f0"]
  }),
  executionId: ExecutionId,
  userId: UserId,
  event: WebhookEvent.annotations({ description: "What it tells of." }),
  url: Schema.String.annotations({
    description: "Where it is sent.",
    examples: ["https://receiver.example.com/bulkhead"]
  }),
  state: WebhookMessageState.annotations({
    description: "How far it is; `failed` is one that was given up, and waits to be sent again by hand."
  }),
  attempts: number("How often it was tried since it was written, or since it was asked to be sent again.", 3),
  createdAt: moment("When what it tells of happened: milliseconds since the epoch."),
  nextAt: Schema.optional(moment("When it is tried next: milliseconds since the epoch. Absent: it is not.")),
  settledAt: Schema.optional(
    moment("When it was delivered or given up: milliseconds since the epoch. Absent: it was not.")
  ),
  outcome: Schema.optional(
    Schema.String.annotations({
      description: "What came of the last try. Absent: there was none.",
      examples: ["answered 500"]
    })
  )
})
export type WebhookDelivery = typeof WebhookDelivery.Type

/** How many messages are in which state, of those that are still kept. */
export const WebhookMetrics = Schema.Struct({
  pending: number("Messages that are to be sent, or sent again.", 1),
  failed: number("Messages that were given up and are still kept.", 0),
  delivered: number("Messages that were delivered and are still kept.", 40)
})
export type WebhookMetrics = typeof WebhookMetrics.Type

/** With what a user's messages are signed, in the form of Standard Webhooks. */
export const SigningSecret = Schema.Struct({
  secret: Schema.String.annotations({ description: "Begins with `whsec_`, then 32 bytes in base64." }),
  previous: Schema.optional(
    Schema.String.annotations({
      description: "The one before it, which signs too until `previousUntil`. Absent: there is none."
    })
  ),
  previousUntil: Schema.optional(
    moment("Until when the one before it signs too: milliseconds since the epoch.")
  )
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
