import { type BulkheadApi, type StreamApi, TooManyRequests } from "@bulkhead/api"
import { executionError, type UpdateId, type UserId } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, HashMap, Option, Ref } from "effect"
import * as ExecutionBody from "../body/ExecutionBody.js"
import * as Known from "../executions/Known.js"
import * as Handlers from "../Handlers.js"
import * as Refusals from "../Refusals.js"
import * as RequestFacts from "../RequestFacts.js"
import * as EventStream from "./EventStream.js"

const submit = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const service = yield* SandboxService
  const { input, options } = yield* ExecutionBody.read(request)
  const { executionId, state } = yield* service.submit(input, options)
  yield* RequestFacts.note({ executionId })
  const [path] = request.originalUrl.split(/[?#]/)
  const headers = { location: `${path?.replace(/\/$/, "")}/${executionId}` }
  return yield* Effect.orDie(HttpServerResponse.json({ executionId, state }, { status: 202, headers }))
})

/** Seconds after which a stream is likely to have ended. */
const streamTime = 5

/** Requests for streams that are answered, of each user: one of them is no open stream yet while it is begun. */
type Answered = Ref.Ref<HashMap.HashMap<UserId, number>>

const change = (answered: Answered, userId: UserId, by: number) =>
  Ref.modify(answered, (all) => {
    const now = Option.getOrElse(HashMap.get(all, userId), () => 0) + by
    return [now, now === 0 ? HashMap.remove(all, userId) : HashMap.set(all, userId, now)]
  })

const checkRoom = Effect.fnUntraced(function* (answered: Answered, userId: UserId) {
  const service = yield* SandboxService
  const { maxStreamsPerUser } = yield* service.limits
  const { openStreams } = yield* service.getUserMetrics(userId)
  const own = yield* Effect.acquireRelease(change(answered, userId, 1), () => change(answered, userId, -1))
  if (openStreams < maxStreamsPerUser && own <= maxStreamsPerUser) return
  const message = `User limit reached: ${maxStreamsPerUser} streams at once`
  yield* Refusals.retryAfter(streamTime)
  return yield* new TooManyRequests({ error: executionError("QUOTA_EXCEEDED", message) })
})

const events = Effect.fnUntraced(function* (
  answered: Answered,
  request: HttpServerRequest.HttpServerRequest,
  executionId: string,
  after: UpdateId | undefined
) {
  const found = yield* Effect.catchTags(Known.own(executionId), {
    ExecutionNotFound: Known.notFound,
    StoreFailure: Known.unreadable
  })
  // Who has seen the last event asks no more once nothing is answered.
  if (after === "end") return HttpServerResponse.empty({ status: 204 })
  yield* checkRoom(answered, found.userId)
  const { updates } = yield* SandboxService
  return EventStream.respond(request, updates(found.executionId, { after }))
})

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "streams", (handlers) =>
    Effect.gen(function* () {
      const context = yield* Effect.context<SandboxService>()
      const answered = yield* Ref.make(HashMap.empty<UserId, number>())
      return handlers
        .handleRaw("submit", ({ request }) =>
          submit(request).pipe(Effect.scoped, Effect.provide(context), Effect.catchAll(ExecutionBody.refuse))
        )
        .handleRaw("events", ({ headers, path, request, urlParams }) => {
          const after = headers["last-event-id"] || urlParams.after || undefined
          return Effect.provide(events(answered, request, path.executionId, after), context)
        })
    })
  )

/** Begins executions and tells what happens to them, in an HttpApi that has `StreamApi`. */
export const layer = Handlers.of<typeof StreamApi>()(build)
