import { CallerAuthentication, type ExecutionRefused, ServerSentEvents } from "@bulkhead/api"
import { ArtifactStore } from "@bulkhead/artifacts"
import {
  anonymous,
  executionError,
  type Refusal,
  refusalError,
  refusals,
  type UserId
} from "@bulkhead/domain"
import { EventStream, ExecutionBody, Mount, RequestBody } from "@bulkhead/http"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpLayerRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Context, Effect, Layer, Option, Redacted, Stream } from "effect"
import * as JsonRpc from "../JsonRpc.js"
import * as Protocol from "../Protocol.js"
import * as Requests from "../Requests.js"
import * as Session from "../Session.js"
import * as Headers from "./Headers.js"
import { type Bounds, Sessions } from "./Sessions.js"

type Request = HttpServerRequest.HttpServerRequest
type Services = Requests.Services | CallerAuthentication | Sessions

const respond = (status: number, message: JsonRpc.Outgoing, headers: Readonly<Record<string, string>> = {}) =>
  Effect.orDie(HttpServerResponse.json(message, { status, headers }))

const refuse = ({ failure, status }: Headers.Refused) => respond(status, JsonRpc.failure(undefined, failure))

const unauthenticated = ({ message, status }: ExecutionRefused): Headers.Refused => ({
  status,
  failure: JsonRpc.refused(executionError("PERMISSION_DENIED", message))
})

/** The key's user; everybody on this machine is the same one where there are no keys. */
const userOf = Effect.gen(function* () {
  const { callerKey } = yield* CallerAuthentication
  // It reads the request's own header.
  const { userId } = yield* Effect.mapError(callerKey(Redacted.make("")), unauthenticated)
  return Option.getOrElse(userId, () => anonymous)
})

const malformed = (refusal: Refusal): Headers.Refused => ({
  status: refusals[refusal._tag].status,
  failure: JsonRpc.refused(refusalError(refusal))
})

const bodyOf = Effect.fnUntraced(function* (request: Request, userId: UserId) {
  const service = yield* SandboxService
  const largest = ExecutionBody.largest(yield* service.limits)
  return yield* Effect.mapError(
    RequestBody.json(request, { largest, receive: service.receive, userId }),
    malformed
  )
})

/** A client introduces itself, and is told the id of its session. */
const introduce = Effect.fnUntraced(function* (asked: JsonRpc.Request, userId: UserId) {
  const { open } = yield* Sessions
  const version = yield* Session.versionFor(asked)
  const id = yield* open(userId, version)
  const introduction = JsonRpc.result(asked.id, Protocol.introduction(version))
  return yield* respond(200, introduction, { [Headers.sessionHeader]: id })
})

const withoutSession: Headers.Refused = {
  status: 400,
  failure: JsonRpc.refusedRequest("Mcp-Session-Id: expected that which the answer to initialize has")
}

// The same for one that is over, one that never was, and another user's.
const noSuchSession: Headers.Refused = {
  status: 404,
  failure: JsonRpc.refusedRequest("There is no such session, or it is over; begin a new one")
}

const sessionOf = Effect.fnUntraced(function* ({ headers }: Request, userId: UserId) {
  const id = headers[Headers.sessionHeader]
  if (id === undefined) return yield* Effect.fail(withoutSession)
  const { find } = yield* Sessions
  const session = yield* Effect.flatMap(
    find(id, userId),
    Option.match({
      onNone: () => Effect.fail(noSuchSession),
      onSome: Effect.succeed
    })
  )
  return { id, session }
})

const frameOf = (message: JsonRpc.Outgoing) =>
  ServerSentEvents.encode({ event: "message", data: JSON.stringify(message) })

/** A long answer comes as events, so that it can tell progress, and is seen to live; any other as JSON. */
const answer = Effect.fnUntraced(function* (
  request: Request,
  session: Session.Session,
  asked: JsonRpc.Request
) {
  const context = yield* Effect.context<Requests.Services>()
  const messages = Stream.provideContext(session.answer(asked), context)
  if (Requests.isLong(asked)) return EventStream.send(request, Stream.map(messages, frameOf))
  const last = yield* Stream.runLast(messages)
  return yield* Option.match(last, {
    // Cancelled: nobody waits for it.
    onNone: () => Effect.succeed(HttpServerResponse.empty({ status: 202 })),
    onSome: (message) => respond(200, message)
  })
})

const heard = HttpServerResponse.empty({ status: 202 })

const take = Effect.fnUntraced(function* (request: Request, value: unknown, userId: UserId) {
  const message = yield* Effect.mapError(JsonRpc.read(value), (failure) => ({ status: 400, failure }))
  if (message._tag === "Request" && message.method === "initialize") {
    return yield* Effect.catchTag(introduce(message, userId), "RpcFailure", (failure) =>
      respond(200, JsonRpc.failure(message.id, failure))
    )
  }
  const { session } = yield* sessionOf(request, userId)
  switch (message._tag) {
    case "Request":
      return yield* answer(request, session, message)
    case "Notification":
      return yield* Effect.as(session.hear(message), heard)
    case "Answer":
      return heard
  }
})

const post = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const userId = yield* userOf
  yield* Headers.checkMessage(request)
  return yield* take(request, yield* bodyOf(request, userId), userId)
}).pipe(Effect.catchAll(refuse))

/** A client says that it is done. */
const end = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const userId = yield* userOf
  yield* Headers.check(request)
  const { close } = yield* Sessions
  const { id } = yield* sessionOf(request, userId)
  yield* close(id)
  return HttpServerResponse.empty({ status: 204 })
}).pipe(Effect.catchAll(refuse))

const path = "/mcp"

const part: Mount.Part<Services> = {
  prefix: "",
  // A GET is for what a server tells without being asked, which this one never does.
  known: [
    { method: "POST", path },
    { method: "DELETE", path }
  ],
  routes: HttpLayerRouter.use((router) =>
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      yield* router.add("POST", path, Effect.provide(post, context))
      yield* router.add("DELETE", path, Effect.provide(end, context))
    })
  ),
  services: Effect.map(
    Effect.context<Services>(),
    Context.pick(SandboxService, ArtifactStore, CallerAuthentication, Sessions)
  )
}

/** Whether a request is for this app. */
export const isFor = ({ url }: Request) => /^\/mcp(\/|\?|$)/.test(url)

export interface McpOptions {
  /** How many clients there may be, and for how long: 100 sessions of a user, 5,000 in all, 30 minutes unless told. */
  readonly sessions?: Partial<Bounds> | undefined
}

/**
 * MCP over streamable HTTP, at `/mcp`: an app of its own, which answers every request. Callers are who they are on
 * `/api/execute`. A connection that ends while a program runs kills the program.
 */
export const make = ({ sessions = {} }: McpOptions = {}) =>
  Effect.flatMap(Layer.build(Sessions.layer(sessions)), (context) => Effect.provide(Mount.app(part), context))
