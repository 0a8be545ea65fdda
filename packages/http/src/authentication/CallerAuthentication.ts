import { CallerAuthentication, ExecutionRefused } from "@bulkhead/api"
import { executionError, type UserId } from "@bulkhead/domain"
import { Effect, Layer, Option, type Redacted } from "effect"
import { refusedResult } from "../Refusals.js"
import * as BearerToken from "./BearerToken.js"
import { type CallerKey, Credentials } from "./Credentials.js"

const error = executionError("PERMISSION_DENIED", "Expected 'Authorization: Bearer' and a caller's key")

const refused = Effect.zipRight(
  BearerToken.challenge,
  Effect.flatMap(refusedResult(error), (result) => new ExecutionRefused({ status: 401, result }))
)

const anybody = Effect.succeed({ userId: Option.none<UserId>() })

const ownerOf = (callerKeys: ReadonlyArray<CallerKey>) => {
  const owners = callerKeys.map(({ key, userId }) => ({ userId, isKey: BearerToken.matches(key) }))
  // Compares with every key, so that the time does not tell which one matched.
  return (token: Redacted.Redacted) =>
    Option.map(Option.fromNullable(owners.filter(({ isKey }) => isKey(token))[0]), ({ userId }) => userId)
}

/** Each caller has a key of its own; without any keys, everybody may call. */
export const layer = Layer.effect(
  CallerAuthentication,
  Effect.map(Credentials, ({ callerKeys }) => {
    const userOf = ownerOf(callerKeys)
    const identify = Effect.flatMap(BearerToken.given, (token) =>
      Option.match(Option.flatMap(token, userOf), {
        onNone: () => refused,
        onSome: (userId) => Effect.succeed({ userId: Option.some(userId) })
      })
    )
    return { callerKey: () => (callerKeys.length === 0 ? anybody : identify) }
  })
)
