import {
  type BulkheadApi,
  Forbidden,
  NotFound,
  Reader,
  type SigningApi,
  type WebhookApi
} from "@bulkhead/api"
import {
  anonymous,
  executionError,
  faultOf,
  StandingWebhooks,
  type UserId,
  type WebhookMessageNotFound,
  WebhooksOff
} from "@bulkhead/domain"
import { SandboxService, StoreFailure, Webhooks } from "@bulkhead/sandbox"
import { HttpApiBuilder } from "@effect/platform"
import { Effect, Option, Schema } from "effect"
import * as SmallBody from "./body/SmallBody.js"
import * as Handlers from "./Handlers.js"
import * as Query from "./Query.js"
import * as Refusals from "./Refusals.js"

const absent = ({ message }: WebhooksOff | WebhookMessageNotFound) =>
  new NotFound({ error: executionError("NOT_FOUND", message) })

const record = "The record of webhooks"

const isOff = (error: unknown): error is WebhooksOff => error instanceof WebhooksOff
const isStoreFailure = (error: unknown): error is StoreFailure => error instanceof StoreFailure

/** What every one of these routes may fail with, as an answer. */
const answering =
  (unusable: typeof Refusals.unreadable) =>
  <A, E, R>(effect: Effect.Effect<A, E | WebhooksOff | StoreFailure, R>) =>
    effect.pipe(
      Effect.catchIf(isOff, absent),
      Effect.catchIf(isStoreFailure, (failure) => unusable(record, failure.reason)(failure))
    )
const answered = answering(Refusals.unreadable)
const changed = answering(Refusals.unchangeable)

const decodeStanding = Schema.decodeUnknown(StandingWebhooks, { onExcessProperty: "error" })

const buildOperators = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "webhooks", (handlers) =>
    Effect.gen(function* () {
      const { receive } = yield* SandboxService
      const { messages, resend, setStanding, standing } = yield* Webhooks
      return handlers
        .handle("standing", ({ path: { userId } }) =>
          Effect.zipRight(Query.none, answered(Effect.map(standing(userId), (webhooks) => ({ webhooks }))))
        )
        .handleRaw("setStanding", ({ path: { userId }, request }) =>
          Effect.gen(function* () {
            yield* Query.none
            const body = yield* SmallBody.json(request, receive)
            const { webhooks } = yield* Effect.mapError(decodeStanding(body), (error) =>
              SmallBody.malformed(faultOf(error, "body"))
            )
            yield* changed(
              Effect.catchTag(setStanding(userId, webhooks), "WebhookRefused", SmallBody.malformed)
            )
            return { webhooks }
          })
        )
        .handle("removeStanding", ({ path: { userId } }) =>
          Effect.zipRight(Query.none, changed(setStanding(userId, []))).pipe(
            Effect.catchTag("WebhookRefused", SmallBody.malformed),
            Effect.as({ webhooks: [] })
          )
        )
        .handle("messages", ({ urlParams }) =>
          answered(Effect.map(messages(urlParams), ({ items, ...rest }) => ({ messages: items, ...rest })))
        )
        .handle("resend", ({ path: { messageId } }) =>
          Effect.zipRight(Query.none, changed(resend(messageId))).pipe(
            Effect.catchTag("WebhookMessageNotFound", absent),
            Effect.as({ success: true as const })
          )
        )
    })
  )

const notYours = new Forbidden({
  error: executionError("PERMISSION_DENIED", "userId: expected the user whose key this is")
})

/** Whose secret is asked for, if the caller may have it. */
const ownerOf = Effect.fnUntraced(function* (asked: UserId | undefined) {
  const { mayRead, userId } = yield* Reader
  const owner = asked ?? Option.getOrElse(userId, () => anonymous)
  return mayRead(owner) ? owner : yield* notYours
})

/** Hours that the secret before a new one signs too, unless told. */
const usualOverlap = 24

const buildCallers = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "signing", (handlers) =>
    Effect.map(Webhooks, ({ rotateSecret, secret }) =>
      handlers
        .handle("secret", ({ urlParams }) => answered(Effect.flatMap(ownerOf(urlParams.userId), secret)))
        .handle("rotateSecret", ({ urlParams: { overlapHours = usualOverlap, userId } }) =>
          changed(Effect.flatMap(ownerOf(userId), (owner) => rotateSecret(owner, overlapHours)))
        )
    )
  )

/** Standing webhooks and messages, for the operator; for an HttpApi with `WebhookApi`. */
export const layer = Handlers.of<typeof WebhookApi>()(buildOperators)

/** The secrets that sign; for an HttpApi with `SigningApi`. */
export const layerSigning = Handlers.of<typeof SigningApi>()(buildCallers)
