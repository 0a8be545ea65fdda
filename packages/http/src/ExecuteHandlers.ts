import { type BulkheadApi, type ExecuteApi, resultStatus } from "@bulkhead/api"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest } from "@effect/platform"
import { Effect } from "effect"
import * as ExecutionBody from "./body/ExecutionBody.js"
import * as Handlers from "./Handlers.js"
import * as RequestFacts from "./RequestFacts.js"
import * as EventStream from "./streams/EventStream.js"

const result = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const { execute } = yield* SandboxService
  const { input, options } = yield* ExecutionBody.read(request)
  const result = yield* execute(input, options)
  yield* RequestFacts.note({ executionId: result.executionId })
  return yield* ExecutionBody.respond(resultStatus(result), result)
})

/** The same as a stream of what happens; a request that is refused is answered as ever. */
const events = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const { begin } = yield* SandboxService
  const { input, options } = yield* ExecutionBody.read(request)
  const { summary, updates } = yield* begin(input, options)
  yield* RequestFacts.note({ executionId: summary.executionId })
  return EventStream.respond(request, updates)
})

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "execute", (handlers) =>
    Effect.gen(function* () {
      const context = yield* Effect.context<SandboxService>()
      return handlers.handleRaw("execute", ({ request }) =>
        (EventStream.isAskedFor(request) ? events(request) : result(request)).pipe(
          Effect.scoped,
          Effect.provide(context),
          Effect.catchAll(ExecutionBody.refuse)
        )
      )
    })
  )

/** Runs programs, in an HttpApi that has `ExecuteApi`. */
export const layer = Handlers.of<typeof ExecuteApi>()(build)
