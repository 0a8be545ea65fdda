import { AdminAuthentication, Unauthorized } from "@bulkhead/api"
import { executionError } from "@bulkhead/domain"
import { Effect, Layer, Option } from "effect"
import * as RequestFacts from "../RequestFacts.js"
import { AdminToken } from "./AdminToken.js"
import * as BearerToken from "./BearerToken.js"

const error = executionError("PERMISSION_DENIED", "Expected 'Authorization: Bearer' and the admin token")

const refused = Effect.zipRight(BearerToken.challenge, new Unauthorized({ error }))

const accepted = RequestFacts.note({ caller: "operator" })

/** Operators hold the admin token. */
export const layer: Layer.Layer<AdminAuthentication, never, AdminToken> = Layer.effect(
  AdminAuthentication,
  Effect.map(AdminToken, ({ matches }) => {
    const isAdmin = Effect.flatMap(
      BearerToken.given,
      Option.match({ onNone: () => Effect.succeed(false), onSome: matches })
    )
    return { adminToken: () => Effect.if(isAdmin, { onTrue: () => accepted, onFalse: () => refused }) }
  })
)
