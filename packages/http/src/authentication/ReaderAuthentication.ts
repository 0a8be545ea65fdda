import {
  AdminAuthentication,
  CallerAuthentication,
  type ExecutionRefused,
  Forbidden,
  ReaderAuthentication,
  Unauthorized
} from "@bulkhead/api"
import { executionError, type UserId } from "@bulkhead/domain"
import { HttpApp } from "@effect/platform"
import { Effect, Layer, Option } from "effect"

const all = { mayRead: () => true, userId: Option.none<UserId>() }
const operator = { ...all, isOperator: true }
const anybody = { ...all, isOperator: false }
const onlyOf = (user: UserId) => ({
  mayRead: (owner: UserId) => owner === user,
  userId: Option.some(user),
  isOperator: false
})

const unauthorized = new Unauthorized({
  error: executionError(
    "PERMISSION_DENIED",
    "Expected 'Authorization: Bearer' and the key of the execution's user, or the admin token"
  )
})

const refused = ({ message, status }: ExecutionRefused) =>
  status === 403 ? new Forbidden({ error: executionError("PERMISSION_DENIED", message) }) : unauthorized

/** The caller's key is tried after the admin token, so a wrong token must not leave its challenge in the response. */
const withoutChallenge = Effect.locally(HttpApp.currentPreResponseHandlers, Option.none())

/** Operators read every execution, callers their own, and all where a caller may act for any user. */
export const layer: Layer.Layer<ReaderAuthentication, never, AdminAuthentication | CallerAuthentication> =
  Layer.effect(
    ReaderAuthentication,
    Effect.map(
      Effect.all([AdminAuthentication, CallerAuthentication]),
      ([{ adminToken }, { callerKey }]) => ({
        adminToken: (token) => Effect.as(withoutChallenge(adminToken(token)), operator),
        callerKey: (token) =>
          callerKey(token).pipe(
            Effect.mapError(refused),
            Effect.map(({ userId }) => Option.match(userId, { onNone: () => anybody, onSome: onlyOf }))
          )
      })
    )
  )
