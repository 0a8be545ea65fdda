import type { AdminApi, BulkheadApi } from "@bulkhead/api"
import type { ExecutionEvent, LimitChanges, Page } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, HttpApp, HttpServerResponse } from "@effect/platform"
import { Effect } from "effect"
import * as SmallBody from "./body/SmallBody.js"
import * as KillRequest from "./executions/KillRequest.js"
import * as Known from "./executions/Known.js"
import * as Handlers from "./Handlers.js"
import { McpUse } from "./McpUse.js"
import * as Query from "./Query.js"
import * as Refusals from "./Refusals.js"

const addNextCursor = (cursor: string) =>
  HttpApp.appendPreResponseHandler((_request, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "x-next-cursor", cursor))
  )

/** The body is the same with and without pages; the cursor of the next page is in a header. */
const asPage = ({ items, nextCursor }: Page<ExecutionEvent>) =>
  Effect.as(nextCursor === undefined ? Effect.void : addNextCursor(nextCursor), items)

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "admin", (handlers) =>
    Effect.gen(function* () {
      const service = yield* SandboxService
      const { isServed, metrics: use } = yield* McpUse
      return handlers
        .handle("metrics", () =>
          Effect.zipRight(
            Query.none,
            Effect.zipWith(service.getSystemMetrics, use, (metrics, mcp) => ({
              ...metrics,
              ...(isServed ? { mcp } : {})
            }))
          )
        )
        .handle("userMetrics", ({ path }) => Effect.zipRight(Query.none, service.getUserMetrics(path.userId)))
        .handle("logs", ({ path, urlParams: query }) =>
          Effect.flatMap(Known.id(path.executionId), (id) =>
            query.limit === undefined && query.cursor === undefined
              ? service.getLogs(id, query)
              : Effect.flatMap(service.getEvents(id, query), asPage)
          ).pipe(Effect.catchTags({ ExecutionNotFound: Known.notFound, StoreFailure: Known.unreadable }))
        )
        .handleRaw("kill", ({ path, request }) =>
          Effect.all([
            Known.id(path.executionId),
            KillRequest.reason(request, service.receive),
            Query.none
          ]).pipe(
            Effect.flatMap(([id, reason = KillRequest.ofOperator]) => service.killExecution(id, reason)),
            Effect.as({ success: true as const }),
            Effect.catchTags({
              ExecutionNotFound: Known.notFound,
              ExecutionEnded: Known.ended,
              StoreFailure: Known.unreadable
            })
          )
        )
        .handle("replicas", () =>
          Effect.zipRight(Query.none, service.replicas).pipe(
            Effect.map((replicas) => ({ replicas })),
            Effect.catchTag("StoreFailure", Known.unreadable)
          )
        )
        .handle("limits", () =>
          Effect.map(Effect.zipRight(Query.none, service.limits), (limits) => ({
            ...limits,
            ...(service.network && { network: service.network })
          }))
        )
        .handleRaw("changeLimits", ({ request }) =>
          Effect.flatMap(Effect.zipRight(Query.none, SmallBody.json(request, service.receive)), (changes) =>
            // The service validates them.
            Effect.catchTags(service.changeLimits(changes as LimitChanges), {
              AdmissionUnreachable: Refusals.unrecorded,
              LimitsRefused: SmallBody.malformed
            })
          )
        )
        .handle("execution", ({ path }) =>
          Effect.flatMap(Effect.zipRight(Query.none, Known.id(path.executionId)), service.getExecution).pipe(
            Effect.catchTags({ ExecutionNotFound: Known.notFound, StoreFailure: Known.unreadable })
          )
        )
        .handle("executions", ({ urlParams }) =>
          service.listExecutions(urlParams).pipe(
            Effect.map((page) => ({ executions: page.items, ...Query.after(page) })),
            Effect.catchTag("StoreFailure", Known.unreadable)
          )
        )
        .handle("usage", ({ urlParams }) =>
          service.getUsage(urlParams).pipe(
            Effect.map((page) => ({ usage: page.items, ...Query.after(page) })),
            Effect.catchTag("StoreFailure", Known.unreadable)
          )
        )
        .handle("verifyAudit", () =>
          Effect.zipRight(Query.none, Effect.catchTag(service.verifyAudit, "StoreFailure", Known.unreadable))
        )
    })
  )

/** What operators use: metrics, logs, executions, kills, limits, usage, audit; for an HttpApi with `AdminApi`. */
export const layer = Handlers.of<typeof AdminApi>()(build)
