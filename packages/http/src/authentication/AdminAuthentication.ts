import { AdminAuthentication, Unauthorized } from "@bulkhead/api"
import { executionError } from "@bulkhead/domain"
import { Effect, Layer, Option } from "effect"
import * as BearerToken from "./BearerToken.js"
import { Credentials } from "./Credentials.js"

const error = executionError("PERMISSION_DENIED", "Expected 'Authorization: Bearer' and the admin token")

const refused = Effect.zipRight(BearerToken.challenge, new Unauthorized({ error }))

/** Operators hold the admin token. */
export const layer = Layer.effect(
  AdminAuthentication,
  Effect.map(Credentials, ({ adminToken }) => {
    const isAdmin = BearerToken.matches(adminToken)
    return {
      adminToken: () =>
        Effect.flatMap(BearerToken.given, (token) => (Option.exists(token, isAdmin) ? Effect.void : refused))
    }
  })
)
