import { type BulkheadApi, type ExecutionsApi, Reader } from "@bulkhead/api"
import { type ExecutionQuery, SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest } from "@effect/platform"
import { Effect, Option } from "effect"
import * as Handlers from "../Handlers.js"
import * as Query from "../Query.js"
import * as KillRequest from "./KillRequest.js"
import * as Known from "./Known.js"

/** Of the reader's executions those that are asked for: of somebody else's, none. */
const list = Effect.fnUntraced(function* (query: ExecutionQuery) {
  const { listExecutions } = yield* SandboxService
  const { mayRead, userId } = yield* Reader
  if (query.userId !== undefined && !mayRead(query.userId)) return { executions: [] }
  const whose = Option.match(userId, { onNone: () => ({}), onSome: (userId) => ({ userId }) })
  const page = yield* listExecutions({ ...query, ...whose })
  return { executions: page.items, ...Query.after(page) }
})

const kill = Effect.fnUntraced(function* (executionId: string, request: HttpServerRequest.HttpServerRequest) {
  const { killExecution, receive } = yield* SandboxService
  const { isOperator } = yield* Reader
  yield* Query.none
  const found = yield* Known.own(executionId)
  const reason = yield* KillRequest.reason(request, receive)
  const who = isOperator ? KillRequest.ofOperator : KillRequest.ofUser
  yield* killExecution(found.executionId, KillRequest.by(who, reason))
  return { success: true as const }
})

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "executions", (handlers) =>
    Effect.map(SandboxService, (service) => {
      const given = Effect.provideService(SandboxService, service)
      return handlers
        .handle("list", ({ urlParams }) =>
          list(urlParams).pipe(Effect.catchTag("StoreFailure", Known.unreadable), given)
        )
        .handle("get", ({ path }) =>
          Effect.zipRight(Query.none, Known.own(path.executionId)).pipe(
            Effect.catchTags({ ExecutionNotFound: Known.notFound, StoreFailure: Known.unreadable }),
            given
          )
        )
        .handleRaw("kill", ({ path, request }) =>
          kill(path.executionId, request).pipe(
            Effect.catchTags({
              ExecutionNotFound: Known.notFound,
              ExecutionEnded: Known.ended,
              StoreFailure: Known.unreadable
            }),
            given
          )
        )
    })
  )

/** What callers ask about executions of their own, in an HttpApi that has `ExecutionsApi`. */
export const layer = Handlers.of<typeof ExecutionsApi>()(build)
