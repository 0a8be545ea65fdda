import { errorBody } from "@bulkhead/api"
import { executionError } from "@bulkhead/domain"
import { BearerToken, RequestFacts, RequestPath } from "@bulkhead/http"
import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Option } from "effect"
import { ServerConfig } from "../settings/ServerConfig.js"
import { Exposition } from "./Exposition.js"
import * as Prometheus from "./Prometheus.js"

export const path = "/metrics"

/** Whether a request is for the metrics, whatever it wants of them. */
export const isFor = ({ url }: Pick<HttpServerRequest.HttpServerRequest, "url">): boolean =>
  RequestPath.of(url) === path

const wrongMethod = (method: string) =>
  Effect.orDie(
    HttpServerResponse.json(
      errorBody(executionError("INVALID_REQUEST", `method: expected GET, HEAD for ${path}, got ${method}`)),
      { status: 405, headers: { allow: "GET, HEAD" } }
    )
  )

/** Answers with the metrics, whoever asks. */
export const open = Effect.gen(function* () {
  const { method } = yield* HttpServerRequest.HttpServerRequest
  if (method !== "GET" && method !== "HEAD") return yield* wrongMethod(method)
  const { text } = yield* Exposition
  return HttpServerResponse.text(yield* text, { contentType: Prometheus.contentType })
})

const refused = Effect.zipRight(
  BearerToken.challenge,
  Effect.orDie(
    HttpServerResponse.json(
      errorBody(executionError("PERMISSION_DENIED", "Expected 'Authorization: Bearer' and the admin token")),
      { status: 401 }
    )
  )
)

/** Answers with the metrics who has the admin token. */
export const make = Effect.gen(function* () {
  const { adminToken } = yield* ServerConfig
  const exposition = yield* Exposition
  const isAdmin = Effect.map(BearerToken.given, Option.exists(BearerToken.matches(adminToken)))
  const answer = Effect.zipRight(
    RequestFacts.note({ caller: "operator" }),
    Effect.provideService(open, Exposition, exposition)
  )
  return Effect.if(isAdmin, { onTrue: () => answer, onFalse: () => refused })
})
