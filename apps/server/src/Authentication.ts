import { createHash, timingSafeEqual } from "node:crypto"
import { AdminAuthentication, CallerAuthentication, ExecutionRefused, Unauthorized } from "@bulkhead/api"
import { executionError, type UserId } from "@bulkhead/domain"
import { HttpApp, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Layer, Option, Redacted } from "effect"
import { refusedResult } from "./Refusals.js"
import { ServerConfig } from "./ServerConfig.js"

const digest = (secret: Redacted.Redacted) => createHash("sha256").update(Redacted.value(secret)).digest()

/** Compares in a time that says nothing about either secret, not even its length. */
const matches = (expected: Redacted.Redacted) => {
  const expectedDigest = digest(expected)
  return (given: Redacted.Redacted) => timingSafeEqual(expectedDigest, digest(given))
}

// HttpApi's own reading takes any seven characters for the scheme.
const bearerToken = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) =>
  Option.fromNullable(/^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1]).pipe(
    Option.map((token) => Redacted.make(token))
  )
)

const sayScheme = HttpApp.appendPreResponseHandler((_request, response) =>
  Effect.succeed(HttpServerResponse.setHeader(response, "www-authenticate", "Bearer"))
)

/** Operators hold the admin token. */
export const admin = Layer.effect(
  AdminAuthentication,
  Effect.gen(function* () {
    const { adminToken } = yield* ServerConfig
    const isAdmin = matches(adminToken)
    const error = executionError("PERMISSION_DENIED", "Expected 'Authorization: Bearer' and the admin token")
    const refused = Effect.zipRight(sayScheme, new Unauthorized({ error }))
    return {
      adminToken: () =>
        Effect.flatMap(bearerToken, (token) => (Option.exists(token, isAdmin) ? Effect.void : refused))
    }
  })
)

/** Callers hold a key each; where the settings have none, everybody may call. */
export const caller = Layer.effect(
  CallerAuthentication,
  Effect.gen(function* () {
    const { callerKeys } = yield* ServerConfig
    const known = callerKeys.map(({ key, userId }) => ({ userId, isKey: matches(key) }))
    const error = executionError("PERMISSION_DENIED", "Expected 'Authorization: Bearer' and a caller's key")
    const refused = Effect.zipRight(
      sayScheme,
      Effect.flatMap(refusedResult(error), (result) => new ExecutionRefused({ status: 401, result }))
    )
    // Compares with every key, so that the time does not tell which one it is.
    const userOf = (token: Redacted.Redacted): Option.Option<UserId> =>
      Option.fromNullable(known.filter(({ isKey }) => isKey(token))[0]?.userId)
    const identify = Effect.flatMap(bearerToken, (token) =>
      Option.match(Option.flatMap(token, userOf), {
        onNone: () => refused,
        onSome: (userId) => Effect.succeed({ userId: Option.some(userId) })
      })
    )
    const anybody = Effect.succeed({ userId: Option.none<UserId>() })
    return { callerKey: () => (known.length === 0 ? anybody : identify) }
  })
)
