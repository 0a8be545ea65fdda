import { type ErrorBody, errorBody } from "@bulkhead/api"
import { executionError } from "@bulkhead/domain"
import { HttpServerError, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Cause, Effect } from "effect"

const respond = (status: number, body: ErrorBody) => Effect.orDie(HttpServerResponse.json(body, { status }))

const isRouteNotFound = (error: unknown): error is HttpServerError.RouteNotFound =>
  HttpServerError.isServerError(error) && error._tag === "RouteNotFound"

const pathOf = (url: string) => url.replace(/[?#].*$/s, "").slice(0, 200)

const noRoute = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) =>
  respond(404, errorBody(executionError("INVALID_REQUEST", `No route for ${method} ${pathOf(url)}`)))
)

const fault = respond(500, errorBody(executionError("INTERNAL_ERROR", "The server failed; its log says why")))

/** Answers what no handler answered, in the contract's form: 404 without a route, 500 for a defect, which is logged. */
export const answer = (cause: Cause.Cause<unknown>) => {
  if (Cause.isInterruptedOnly(cause)) return Effect.failCause(Cause.stripFailures(cause))
  return isRouteNotFound(Cause.squash(cause))
    ? noRoute
    : Effect.zipRight(Effect.logError("A request failed", cause), fault)
}
