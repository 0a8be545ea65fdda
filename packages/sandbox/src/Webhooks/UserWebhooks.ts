import type { SigningSecret, UserId, Webhook } from "@bulkhead/domain"
import { Context, type Effect } from "effect"
import type { StoreFailure } from "../Record/ExecutionStore.js"

/** What is kept of each user for webhooks: the standing ones, and the secret that signs the user's messages. */
export class UserWebhooks extends Context.Tag("@bulkhead/sandbox/UserWebhooks")<
  UserWebhooks,
  {
    readonly standing: (userId: UserId) => Effect.Effect<ReadonlyArray<Webhook>, StoreFailure>
    /** None: removes them. */
    readonly setStanding: (
      userId: UserId,
      webhooks: ReadonlyArray<Webhook>
    ) => Effect.Effect<void, StoreFailure>
    /** The user's secrets; when there are none, this one is the user's from now on. */
    readonly secret: (userId: UserId, fresh: string) => Effect.Effect<SigningSecret, StoreFailure>
    /** Puts a new secret first; the one before it counts until then (milliseconds since the epoch). */
    readonly rotate: (
      userId: UserId,
      fresh: string,
      previousUntil: number
    ) => Effect.Effect<SigningSecret, StoreFailure>
  }
>() {}
