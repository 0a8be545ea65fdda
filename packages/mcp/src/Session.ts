import type { UserId } from "@bulkhead/domain"
import { McpUse } from "@bulkhead/http"
import { SteadyClock } from "@bulkhead/sandbox"
import { Deferred, Effect, HashMap, type Option, Ref, Schema, Stream } from "effect"
import * as JsonRpc from "./JsonRpc.js"
import * as Protocol from "./Protocol.js"
import * as Requests from "./Requests.js"

/** Requests of one client that are answered at once. */
const mostRequests = 64

const tooMany = new JsonRpc.RpcFailure({
  code: JsonRpc.codes.refused,
  message: `expected at most ${mostRequests} requests of a session at once`
})

const sameId = JsonRpc.refusedRequest("id: expected one that no running request of the session has")

const Cancelled = Schema.Struct({ requestId: JsonRpc.RequestId })

/** One client, from its introduction on. */
export interface Session {
  readonly userId: UserId
  /** What comes of a request. When the reader leaves, or the request is cancelled, what it runs is killed. */
  readonly answer: (request: JsonRpc.Request) => Stream.Stream<JsonRpc.Outgoing, never, Requests.Services>
  /** Takes note of what a client only tells. */
  readonly hear: (notification: { readonly method: string; readonly params: unknown }) => Effect.Effect<void>
  /** Ends every request without an answer. */
  readonly cancelAll: Effect.Effect<void>
  /** When the client was last heard of, in milliseconds of the `SteadyClock`; none while a request of it runs. */
  readonly idleSince: Effect.Effect<Option.Option<number>>
}

type Running = HashMap.HashMap<JsonRpc.RequestId, Deferred.Deferred<void>>

export const make = Effect.fnUntraced(function* (userId: UserId, version: Protocol.Version) {
  const use = yield* McpUse.McpUse
  const running = yield* Ref.make<Running>(HashMap.empty())
  const lastHeard = yield* Ref.make(yield* SteadyClock.now)
  const note = Effect.flatMap(SteadyClock.now, (now) => Ref.set(lastHeard, now))

  const enter = (id: JsonRpc.RequestId, cancelled: Deferred.Deferred<void>) =>
    Effect.flatten(
      Ref.modify(running, (current): [Effect.Effect<void, JsonRpc.RpcFailure>, Running] => {
        if (HashMap.has(current, id)) return [sameId, current]
        if (HashMap.size(current) >= mostRequests) return [tooMany, current]
        return [Effect.void, HashMap.set(current, id, cancelled)]
      })
    )

  const leave = (id: JsonRpc.RequestId) => Effect.zipRight(Ref.update(running, HashMap.remove(id)), note)

  const answer = (request: JsonRpc.Request) =>
    Effect.gen(function* () {
      const cancelled = yield* Deferred.make<void>()
      yield* use.request
      yield* Effect.acquireRelease(enter(request.id, cancelled), () => leave(request.id))
      return Stream.interruptWhenDeferred(Requests.answer(request, { userId, version }), cancelled)
    }).pipe(
      Effect.catchAll((failure) => Effect.succeed(Stream.succeed(JsonRpc.failure(request.id, failure)))),
      Stream.unwrapScoped
    )

  const cancel = Effect.fnUntraced(function* (params: unknown) {
    const { requestId } = yield* JsonRpc.params(Cancelled)(params)
    const found = HashMap.get(yield* Ref.get(running), requestId)
    // It may have ended meanwhile.
    yield* Effect.flatMap(found, (cancelled) => Deferred.succeed(cancelled, undefined))
  }, Effect.ignore)

  const session: Session = {
    userId,
    answer,
    hear: ({ method, params }) =>
      Effect.zipRight(note, method === "notifications/cancelled" ? cancel(params) : Effect.void),
    cancelAll: Effect.flatMap(Ref.get(running), (current) =>
      Effect.forEach(HashMap.values(current), (cancelled) => Deferred.succeed(cancelled, undefined), {
        discard: true
      })
    ),
    idleSince: Effect.flatMap(Ref.get(running), (current) =>
      HashMap.isEmpty(current) ? Effect.asSome(Ref.get(lastHeard)) : Effect.succeedNone
    )
  }
  return session
})

const readInitialize = JsonRpc.params(Schema.Struct({ protocolVersion: Schema.String }))

/** The version that is agreed on with a client that introduces itself. */
export const versionFor = ({ params }: JsonRpc.Request) =>
  Effect.map(readInitialize(params), ({ protocolVersion }) => Protocol.agreed(protocolVersion))
