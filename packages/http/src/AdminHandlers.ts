import { type AdminApi, type BulkheadApi, Conflict, KillReason, NotFound } from "@bulkhead/api"
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
import { Effect, Schema } from "effect"
import type * as RequestBody from "./body/RequestBody.js"
import * as SmallBody from "./body/SmallBody.js"
import * as Handlers from "./Handlers.js"
import * as Refusals from "./Refusals.js"

const known = (executionId: string) =>
  Schema.is(ExecutionId)(executionId)
    ? Effect.succeed(executionId)
    : new ExecutionNotFound({ executionId: executionId.slice(0, 69) })

const notFound = ({ message }: ExecutionNotFound) =>
  new NotFound({ error: executionError("NOT_FOUND", message) })

const conflict = ({ message }: ExecutionEnded) => new Conflict({ error: executionError("CONFLICT", message) })

const unreadable = (failure: StoreFailure) =>
  Refusals.unreadable("The record of executions", failure.reason)(failure)

const decodeReason = Schema.decodeUnknown(KillReason, { onExcessProperty: "error" })

/** A request without a body gives no reason. */
const killReason = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  receive: RequestBody.ReadOptions["receive"]
) {
  if (request.headers["content-type"] === undefined) return "admin_request"
  const body = yield* SmallBody.json(request, receive)
  const { reason } = yield* Effect.mapError(decodeReason(body), (error) =>
    SmallBody.badRequest(faultOf(error, "body"))
  )
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
        .handle("metrics", () => Effect.zipRight(SmallBody.noQuery, service.getSystemMetrics))
        .handle("userMetrics", ({ path }) =>
          Effect.zipRight(SmallBody.noQuery, service.getUserMetrics(path.userId))
        )
        .handle("logs", ({ path, urlParams: query }) =>
          Effect.flatMap(known(path.executionId), (id) =>
            query.limit === undefined && query.cursor === undefined
              ? service.getLogs(id, query)
              : Effect.flatMap(service.getEvents(id, query), asPage)
          ).pipe(Effect.catchTags({ ExecutionNotFound: notFound, StoreFailure: unreadable }))
        )
        .handleRaw("kill", ({ path, request }) =>
          Effect.all([known(path.executionId), killReason(request, service.receive), SmallBody.noQuery]).pipe(
            Effect.flatMap(([id, reason]) => service.killExecution(id, reason)),
            Effect.as({ success: true as const }),
            Effect.catchTags({
              ExecutionNotFound: notFound,
              ExecutionEnded: conflict,
              StoreFailure: unreadable
            })
          )
        )
        .handle("limits", () => Effect.zipRight(SmallBody.noQuery, service.limits))
        .handleRaw("changeLimits", ({ request }) =>
          Effect.flatMap(
            Effect.zipRight(SmallBody.noQuery, SmallBody.json(request, service.receive)),
            (changes) =>
              // The service validates them.
              Effect.mapError(service.changeLimits(changes as LimitChanges), SmallBody.badRequest)
          )
        )
        .handle("execution", ({ path }) =>
          Effect.flatMap(
            Effect.zipRight(SmallBody.noQuery, known(path.executionId)),
            service.getExecution
          ).pipe(Effect.catchTags({ ExecutionNotFound: notFound, StoreFailure: unreadable }))
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
        .handle("verifyAudit", () =>
          Effect.zipRight(SmallBody.noQuery, Effect.catchTag(service.verifyAudit, "StoreFailure", unreadable))
        )
    })
  )

/** What operators use: metrics, logs, executions, kills, limits, usage, audit; for an HttpApi with `AdminApi`. */
export const layer = Handlers.of<typeof AdminApi>()(build)
