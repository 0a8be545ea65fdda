import {
  SigningSecret,
  StandingWebhooks,
  UserId,
  WebhookDelivery,
  WebhookMessageState
} from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
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
import { OverlapHours, oneOf, pageParameters, query } from "./QueryParameters.js"

const ofUser = Schema.Struct({ userId: UserId })
const userId = Schema.optionalWith(UserId, { exact: true })

const StandingBody = Schema.typeSchema(StandingWebhooks).annotations({
  identifier: "StandingWebhooks",
  description: "The webhooks that are told of every execution of the user"
})

/** As it is written: a webhook may be a URL alone. */
const StandingPayload = Schema.encodedBoundSchema(StandingWebhooks).annotations({
  identifier: "StandingWebhooksRequest"
})

const standing = HttpApiEndpoint.get("standing", "/webhooks/:userId")
  .setPath(ofUser)
  .addSuccess(StandingBody)
  .annotate(OpenApi.Summary, "The standing webhooks of a user")

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

export const WebhookMessageList = Schema.Struct({
  messages: Schema.Array(WebhookDelivery.annotations({ identifier: "WebhookDelivery" })),
  nextCursor: Schema.optionalWith(Schema.String, { exact: true })
}).annotations({ identifier: "WebhookMessageList", description: "Newest first" })

const messages = HttpApiEndpoint.get("messages", "/webhook-messages")
  .setUrlParams(query({ userId, state: oneOf(WebhookMessageState), ...pageParameters }))
  .addSuccess(WebhookMessageList)
  .annotate(OpenApi.Summary, "Messages to webhooks: those that wait, were delivered, or were given up")

export const Resent = Schema.Struct({ success: Schema.Literal(true) }).annotations({
  identifier: "Resent",
  description: "The message is sent again, for as long as a new one is tried"
})

const resend = HttpApiEndpoint.post("resend", "/webhook-messages/:messageId/resend")
  .setPath(Schema.Struct({ messageId: Schema.String }))
  .addSuccess(Resent)
  .annotate(OpenApi.Summary, "Send a message again that was given up, with the same id")

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
const withoutKeyToo = (operation: Record<string, unknown>) => ({
  ...operation,
  security: [...(operation.security as ReadonlyArray<object>), {}]
})

const whose =
  "Whose it is: the key's own user, and no other; without keys, or with the admin token, whom `userId` names, `anonymous` unless told."

const secret = HttpApiEndpoint.get("secret", "/secret")
  .setUrlParams(query({ userId }))
  .addSuccess(SecretBody)
  .annotate(OpenApi.Transform, withoutKeyToo)
  .annotate(OpenApi.Summary, "The secret that signs a user's messages, made when it is asked for first")
  .annotate(OpenApi.Description, whose)

const rotate = HttpApiEndpoint.post("rotateSecret", "/secret/rotate")
  .setUrlParams(query({ userId, overlapHours: Schema.optionalWith(OverlapHours, { exact: true }) }))
  .addSuccess(SecretBody)
  .annotate(OpenApi.Transform, withoutKeyToo)
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
