import {
  AdminAuthentication,
  CallerAuthentication,
  Forbidden,
  ReaderAuthentication,
  Unauthorized
} from "@bulkhead/api"
import { executionError, type UserId } from "@bulkhead/domain"
import { HttpApp, HttpServerRequest } from "@effect/platform"
import { Effect, Layer, Option } from "effect"
import * as HostHeader from "./HostHeader.js"

const all = { mayRead: () => true }
const onlyOf = (user: UserId) => ({ mayRead: (owner: UserId) => owner === user })

const unauthorized = new Unauthorized({
  error: executionError(
    "PERMISSION_DENIED",
    "Expected 'Authorization: Bearer' and the key of the execution's user, or the admin token"
  )
})

const forbidden = new Forbidden({ error: executionError("PERMISSION_DENIED", HostHeader.expected) })

const anybodyHere = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
  HostHeader.namesThisMachine(request) ? Effect.succeed(all) : forbidden
)

/** The caller's key is tried after the admin token, so a wrong token must not leave its challenge in the response. */
const withoutChallenge = Effect.locally(HttpApp.currentPreResponseHandlers, Option.none())

/** Operators read every artifact, callers their own; without any keys, everybody on this machine reads all. */
export const layer = Layer.effect(
  ReaderAuthentication,
  Effect.map(Effect.all([AdminAuthentication, CallerAuthentication]), ([{ adminToken }, { callerKey }]) => ({
    adminToken: (token) => Effect.as(withoutChallenge(adminToken(token)), all),
    callerKey: (token) =>
      callerKey(token).pipe(
        Effect.mapError(() => unauthorized),
        Effect.flatMap(({ userId }) =>
          Option.match(userId, {
            onNone: () => anybodyHere,
            onSome: (user) => Effect.succeed(onlyOf(user))
          })
        )
      )
  }))
)
