import { CallerAuthentication, ExecutionRefused, type RefusalStatus } from "@bulkhead/api"
import { executionError, type UserId } from "@bulkhead/domain"
import { HttpServerRequest } from "@effect/platform"
import { Effect, Layer, Option } from "effect"
import { refusedResult } from "../Refusals.js"
import * as RequestFacts from "../RequestFacts.js"
import * as BearerToken from "./BearerToken.js"
import { CallerKeys } from "./CallerKeys.js"
import * as ThisMachine from "./ThisMachine.js"

const refuse = (status: RefusalStatus, message: string) =>
  Effect.flatMap(
    refusedResult(executionError("PERMISSION_DENIED", message)),
    (result) => new ExecutionRefused({ status, result })
  )

const isUser = RequestFacts.note({ caller: "user" })
const isLocal = RequestFacts.note({ caller: "local" })

const withoutKey = Effect.zipRight(
  BearerToken.challenge,
  refuse(401, "Expected 'Authorization: Bearer' and a caller's key")
)

/** Each caller has a key of its own. */
export const layer: Layer.Layer<CallerAuthentication, never, CallerKeys> = Layer.effect(
  CallerAuthentication,
  Effect.map(CallerKeys, ({ ownerOf }) => {
    const owner = Effect.flatMap(
      BearerToken.given,
      Option.match({ onNone: () => Effect.succeedNone, onSome: ownerOf })
    )
    return {
      callerKey: () =>
        Effect.flatMap(owner, (userId) =>
          Option.isSome(userId) ? Effect.as(isUser, { userId }) : withoutKey
        )
    }
  })
)

const anybodyHere = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
  if (!ThisMachine.namesThisMachine(request)) return refuse(403, ThisMachine.expected)
  return ThisMachine.isFromAnotherSite(request)
    ? refuse(403, ThisMachine.expectedOrigin)
    : Effect.as(isLocal, { userId: Option.none<UserId>() })
})

/** Nobody needs a key. For a server that other machines cannot reach, and for no other. */
export const layerThisMachine: Layer.Layer<CallerAuthentication> = Layer.succeed(CallerAuthentication, {
  callerKey: () => anybodyHere
})
