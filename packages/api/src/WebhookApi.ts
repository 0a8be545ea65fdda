import {
  SigningSecret,
  StandingWebhooks,
  UserId,
  WebhookDelivery,
  WebhookMessageState
} from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { JSONSchema, Schema } from "effect"
import {
  BadRequest,
  ContentTooLarge,
  Forbidden,
  NotFound,
  StoreUnavailable,
  TooManyRequests,
  UnsupportedContent
} from "./ApiErrors.js"
import { AdminAuthentication, ReaderAuthentication } from "./Authentication.js"
import { done, nextCursor } from "./Executions.js"
import * as Operations from "./Operations.js"
import { pathText } from "./PathText.js"
import { OverlapHours, oneOf, pageParameters, query } from "./QueryParameters.js"

const ofUser = Schema.Struct({ userId: UserId })
const userId = Schema.optionalWith(UserId, { exact: true })

const StandingBody = Schema.typeSchema(StandingWebhooks).annotations({
  identifier: "StandingWebhooks",
  description: "The webhooks that are told of every execution of the user"
})

// `encodedBoundSchema` forgets what the fields mean.
const { $schema, ...written } = JSONSchema.make(StandingWebhooks, { target: "openApi3.1" })

/** As it is written: a webhook may be a URL alone. */
const StandingPayload = Schema.encodedBoundSchema(StandingWebhooks).annotations({
  identifier: "StandingWebhooksRequest",
  jsonSchema: written
})

const standing = HttpApiEndpoint.get("standing", "/webhooks/:userId")
  .setPath(ofUser)
  .addSuccess(StandingBody)
  .annotate(OpenApi.Summary, "The standing webhooks of a user")
  .annotate(
    OpenApi.Description,
    "They are told of all of the user's executions, beside what a request names."
  )

const setStanding = HttpApiEndpoint.put("setStanding", "/webhooks/:userId")
  .setPath(ofUser)
  .setPayload(StandingPayload)
  .addSuccess(StandingBody)
  .addError(ContentTooLarge.answer)
  .addError(UnsupportedContent.answer)
  .addError(TooManyRequests.answer)
  .annotate(OpenApi.Summary, "Put others in the place of a user's standing webhooks")
  .annotate(OpenApi.Description, "They count for what happens from now on.")

const removeStanding = HttpApiEndpoint.del("removeStanding", "/webhooks/:userId")
  .setPath(ofUser)
  .addSuccess(StandingBody)
  .annotate(OpenApi.Summary, "Remove a user's standing webhooks")
  .annotate(OpenApi.Description, "Messages that wait for them are still sent.")

export const WebhookMessageList = Schema.Struct({
  messages: Schema.Array(WebhookDelivery.annotations({ identifier: "WebhookDelivery" })).annotations({
    description: "A page of them."
  }),
  nextCursor
}).annotations({ identifier: "WebhookMessageList", description: "Newest first" })

const messages = HttpApiEndpoint.get("messages", "/webhook-messages")
  .setUrlParams(
    query({ userId, state: oneOf(WebhookMessageState, "Only messages in this state."), ...pageParameters })
  )
  .addSuccess(WebhookMessageList)
  .annotate(OpenApi.Summary, "Messages to webhooks: those that wait, were delivered, or were given up")
  .annotate(
    OpenApi.Description,
    "Of each user the latest are kept, as docs/webhooks.md says. One that is given up is also in its execution's log."
  )

export const Resent = Schema.Struct({ success: done }).annotations({
  identifier: "Resent",
  description: "The message is sent again, for as long as a new one is tried"
})

const resend = HttpApiEndpoint.post("resend", "/webhook-messages/:messageId/resend")
  .setPath(
    Schema.Struct({
      messageId: pathText({ description: "As the list of messages names it." })
    })
  )
  .addSuccess(Resent)
  .annotate(OpenApi.Summary, "Send a message again that was given up, with the same id")
  .annotate(OpenApi.Description, "404 for one that waits, was delivered, or is no longer kept.")

/** What the operator does about webhooks. */
export const WebhookApi = HttpApiGroup.make("webhooks")
  .add(standing)
  .add(setStanding)
  .add(removeStanding)
  .add(messages)
  .add(resend)
  .addError(BadRequest.answer)
  .addError(NotFound.answer)
  .addError(StoreUnavailable.answer)
  .middleware(AdminAuthentication)
  .prefix("/api/sandbox")

const SecretBody = SigningSecret.annotations({
  identifier: "SigningSecret",
  description: "With what the user's messages are signed, in the form of Standard Webhooks"
})

/** HttpApi has no words for a key that is optional. */
const whose =
  "Whose it is: the key's own user, and no other; without keys, or with the admin token, whom `userId` names, `anonymous` unless told."

const secret = HttpApiEndpoint.get("secret", "/secret")
  .setUrlParams(query({ userId }))
  .addSuccess(SecretBody)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "The secret that signs a user's messages, made when it is asked for first")
  .annotate(OpenApi.Description, whose)

const rotate = HttpApiEndpoint.post("rotateSecret", "/secret/rotate")
  .setUrlParams(query({ userId, overlapHours: Schema.optionalWith(OverlapHours, { exact: true }) }))
  .addSuccess(SecretBody)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "Make a new secret; messages are signed with the one before it too for a while")
  .annotate(OpenApi.Description, whose)

/** What callers need to verify their messages. */
export const SigningApi = HttpApiGroup.make("signing")
  .add(secret)
  .add(rotate)
  .addError(BadRequest.answer)
  .addError(Forbidden.answer)
  .addError(NotFound.answer)
  .addError(StoreUnavailable.answer)
  .middleware(ReaderAuthentication)
  .prefix("/api/webhooks")
