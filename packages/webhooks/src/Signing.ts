import { randomBytes } from "node:crypto"
import type { SigningSecret } from "@bulkhead/domain"
import { Effect } from "effect"
import { Webhook } from "standardwebhooks"

/** A new secret in the form of Standard Webhooks. */
export const newSecret: Effect.Effect<string> = Effect.sync(
  () => `whsec_${randomBytes(32).toString("base64")}`
)

const inForce = ({ previous, previousUntil = 0, secret }: SigningSecret, now: number) =>
  previous !== undefined && now < previousUntil ? [secret, previous] : [secret]

/** The headers of a message, with a signature by each secret that is in force. */
export const headersOf = (
  messageId: string,
  body: string,
  secret: SigningSecret,
  now: number
): Readonly<Record<string, string>> => ({
  "content-type": "application/json",
  "user-agent": "bulkhead",
  "webhook-id": messageId,
  "webhook-timestamp": String(Math.floor(now / 1000)),
  "webhook-signature": inForce(secret, now)
    .map((each) => new Webhook(each).sign(messageId, new Date(now), body))
    .join(" ")
})
