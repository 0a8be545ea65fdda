import { type ErrorBody, errorBody } from "@bulkhead/api"
import { executionError } from "@bulkhead/domain"
import { HttpServerError, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Cause, Effect } from "effect"
import * as RequestPath from "./RequestPath.js"
import * as Routes from "./Routes.js"

const respond = (status: number, body: ErrorBody, headers: Readonly<Record<string, string>> = {}) =>
  Effect.orDie(HttpServerResponse.json(body, { status, headers }))

const isRouteNotFound = (error: unknown): error is HttpServerError.RouteNotFound =>
  HttpServerError.isServerError(error) && error._tag === "RouteNotFound"

const notFound = (method: string, path: string) =>
  respond(404, errorBody(executionError("NOT_FOUND", `No route for ${method} ${path.slice(0, 200)}`)))

const wrongMethod = (method: string, path: string, allowed: ReadonlyArray<string>) => {
  const allow = allowed.join(", ")
  const message = `method: expected ${allow} for ${path.slice(0, 200)}, got ${method}`
  return respond(405, errorBody(executionError("INVALID_REQUEST", message)), { allow })
}

const noRoute = (routes: ReadonlyArray<Routes.Route>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
    const path = RequestPath.of(url)
    const allowed = Routes.methodsAt(routes, path)
    // A path whose parameter is too long is none, though its method is right.
    const isUnknown = allowed.length === 0 || allowed.includes(method)
    return isUnknown ? notFound(method, path) : wrongMethod(method, path, allowed)
  })

const fault = respond(500, errorBody(executionError("INTERNAL_ERROR", "The server failed; its log says why")))

/**
 * Answers what no handler answered, in the contract's form: 404 without a route, 405 without one for the method, 500
 * for a defect, which is logged.
 */
export const answer = (routes: ReadonlyArray<Routes.Route>) => (cause: Cause.Cause<unknown>) => {
  if (Cause.isInterruptedOnly(cause)) return Effect.failCause(Cause.stripFailures(cause))
  return isRouteNotFound(Cause.squash(cause))
    ? noRoute(routes)
    : Effect.zipRight(Effect.logError("A request failed", cause), fault)
}
