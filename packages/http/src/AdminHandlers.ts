import {
  type AdminApi,
  BadRequest,
  type BulkheadApi,
  Conflict,
  KillReason,
  NotFound,
  StoreUnavailable
} from "@bulkhead/api"
import {
  type ExecutionEnded,
  type ExecutionEvent,
  ExecutionId,
  ExecutionNotFound,
  executionError,
  faultOf,
  type LimitChanges,
  type Page
} from "@bulkhead/domain"
import { SandboxService, type StoreFailure } from "@bulkhead/sandbox"
import { HttpApiBuilder, HttpApp, type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Cause, Effect, Schema } from "effect"
import * as Handlers from "./Handlers.js"
import * as RequestBody from "./RequestBody.js"

const known = (executionId: string) =>
  Schema.is(ExecutionId)(executionId)
    ? Effect.succeed(executionId)
    : new ExecutionNotFound({ executionId: executionId.slice(0, 69) })

const notFound = ({ message }: ExecutionNotFound) =>
  new NotFound({ error: executionError("INVALID_REQUEST", message) })

const conflict = ({ message }: ExecutionEnded) =>
  new Conflict({ error: executionError("INVALID_REQUEST", message) })

const badRequest = ({ message }: { readonly message: string }) =>
  new BadRequest({ error: executionError("INVALID_REQUEST", message) })

const unreadable = (failure: StoreFailure) =>
  Effect.zipRight(
    Effect.logError("The record of executions cannot be read", Cause.fail(failure)),
    new StoreUnavailable({
      error: executionError(
        "INTERNAL_ERROR",
        ["The record of executions cannot be read at present", failure.reason].filter(Boolean).join(": ")
      )
    })
  )

/** Bytes; more than any body of these routes needs. */
const largestBody = 64 * 1024

const jsonOf = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.mapError(RequestBody.json(request, largestBody), badRequest)

const decodeReason = Schema.decodeUnknown(KillReason, { onExcessProperty: "error" })

/** A request without a body gives no reason. */
const killReason = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  if (request.headers["content-type"] === undefined) return "admin_request"
  const body = yield* jsonOf(request)
  const { reason } = yield* Effect.mapError(decodeReason(body), (error) => badRequest(faultOf(error, "body")))
  return reason ?? "admin_request"
})

const addNextCursor = (cursor: string) =>
  HttpApp.appendPreResponseHandler((_request, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "x-next-cursor", cursor))
  )

/** The body is the same with and without pages; the cursor of the next page is in a header. */
const asPage = ({ items, nextCursor }: Page<ExecutionEvent>) =>
  Effect.as(nextCursor === undefined ? Effect.void : addNextCursor(nextCursor), items)

const after = <A>({ nextCursor }: Page<A>) => (nextCursor === undefined ? {} : { nextCursor })

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "admin", (handlers) =>
    Effect.gen(function* () {
      const service = yield* SandboxService
      return handlers
        .handle("metrics", () => service.getSystemMetrics)
        .handle("userMetrics", ({ path }) => service.getUserMetrics(path.userId))
        .handle("logs", ({ path, urlParams: query }) =>
          Effect.flatMap(known(path.executionId), (id) =>
            query.limit === undefined && query.cursor === undefined
              ? service.getLogs(id, query)
              : Effect.flatMap(service.getEvents(id, query), asPage)
          ).pipe(Effect.catchTags({ ExecutionNotFound: notFound, StoreFailure: unreadable }))
        )
        .handleRaw("kill", ({ path, request }) =>
          Effect.all([known(path.executionId), killReason(request)]).pipe(
            Effect.flatMap(([id, reason]) => service.killExecution(id, reason)),
            Effect.as({ success: true as const }),
            Effect.catchTags({
              ExecutionNotFound: notFound,
              ExecutionEnded: conflict,
              StoreFailure: unreadable
            })
          )
        )
        .handle("limits", () => service.limits)
        .handleRaw("changeLimits", ({ request }) =>
          Effect.flatMap(jsonOf(request), (changes) =>
            // The service validates them.
            Effect.mapError(service.changeLimits(changes as LimitChanges), badRequest)
          )
        )
        .handle("execution", ({ path }) =>
          Effect.flatMap(known(path.executionId), service.getExecution).pipe(
            Effect.catchTags({ ExecutionNotFound: notFound, StoreFailure: unreadable })
          )
        )
        .handle("executions", ({ urlParams }) =>
          service.listExecutions(urlParams).pipe(
            Effect.map((page) => ({ executions: page.items, ...after(page) })),
            Effect.catchTag("StoreFailure", unreadable)
          )
        )
        .handle("usage", ({ urlParams }) =>
          service.getUsage(urlParams).pipe(
            Effect.map((page) => ({ usage: page.items, ...after(page) })),
            Effect.catchTag("StoreFailure", unreadable)
          )
        )
        .handle("verifyAudit", () => Effect.catchTag(service.verifyAudit, "StoreFailure", unreadable))
    })
  )

/** What operators use: metrics, logs, executions, kills, limits, usage, audit; for an HttpApi with `AdminApi`. */
export const layer = Handlers.of<typeof AdminApi>()(build)
