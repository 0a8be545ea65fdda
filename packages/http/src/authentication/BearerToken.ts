import { createHash, timingSafeEqual } from "node:crypto"
import { HttpApp, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Option, Redacted } from "effect"

/** The token of a request's `Authorization: Bearer`. HttpApi itself does not look at the scheme. */
export const given = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) =>
  Option.fromNullable(/^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1]).pipe(
    Option.map((token) => Redacted.make(token))
  )
)

/** What fits into an `Authorization` header as one word. */
export const isToken = (text: string) => /^[\x21-\x7e]+$/.test(text)

/** What a token is made of, in words. */
export const characters = "printable ASCII characters without spaces"

const digest = (secret: Redacted.Redacted) => createHash("sha256").update(Redacted.value(secret)).digest()

/** Compares in constant time: how long it takes says nothing about either secret, not even its length. */
export const matches = (expected: Redacted.Redacted) => {
  const expectedDigest = digest(expected)
  return (token: Redacted.Redacted) => timingSafeEqual(expectedDigest, digest(token))
}

/** Adds `WWW-Authenticate` to the response, as a 401 must have it. */
export const challenge = HttpApp.appendPreResponseHandler((_request, response) =>
  Effect.succeed(HttpServerResponse.setHeader(response, "www-authenticate", "Bearer"))
)
