import { ServerSentEvents } from "@bulkhead/api"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "@effect/platform"
import { Effect, FiberSet, Option, Predicate, type Redacted, Ref, Schema, Stream } from "effect"
import * as JsonRpc from "../JsonRpc.js"
import * as Lines from "./Lines.js"
import type { StandardIo } from "./StandardIo.js"

export interface BridgeOptions {
  /** Where the server listens, like `http://127.0.0.1:8787`, with or without the `/mcp` of its route. */
  readonly url: string
  /** The caller's key. None: the server needs none. */
  readonly key: Option.Option<Redacted.Redacted>
}

const sessionHeader = "mcp-session-id"
const versionHeader = "mcp-protocol-version"

/** What the answer to `initialize` settles for all that follows. */
type Settled = Readonly<Record<string, string>>

const unreachable = {
  code: JsonRpc.codes.internalError,
  message: "The server cannot be reached or does not speak MCP there, or the connection to it was lost"
}

const notJson = { code: JsonRpc.codes.parseError, message: "expected one line of JSON" }

const parse = Schema.decodeUnknown(Schema.parseJson())

const methodOf = (message: unknown) => (Predicate.hasProperty(message, "method") ? message.method : undefined)

/** What the server says: messages as events, or one as JSON, or nothing. */
const messagesOf = (response: HttpClientResponse.HttpClientResponse) => {
  const type = response.headers["content-type"] ?? ""
  if (type.startsWith("text/event-stream")) {
    return Stream.map(ServerSentEvents.decode(response.stream), ({ data }) => data)
  }
  return type.startsWith("application/json") ? Stream.fromEffect(response.text) : Stream.empty
}

/** An answer to what could not even be looked at has no id of its own. */
const withId = (message: unknown, id: JsonRpc.RequestId) =>
  Predicate.isReadonlyRecord(message) && "error" in message && message.id === undefined
    ? { ...message, id }
    : message

const settledBy = (response: HttpClientResponse.HttpClientResponse, answer: unknown): Settled => {
  const session = response.headers[sessionHeader]
  const result = Predicate.hasProperty(answer, "result") ? answer.result : undefined
  const version = Predicate.hasProperty(result, "protocolVersion") ? result.protocolVersion : undefined
  return {
    ...(session === undefined ? {} : { [sessionHeader]: session }),
    ...(Predicate.isString(version) ? { [versionHeader]: version } : {})
  }
}

/**
 * Passes on what the client that has started this process says to a running server, and what that answers. Returns when
 * the client has closed its end; the session is ended then, with all that it runs.
 */
export const run = ({ key, url }: BridgeOptions, { input, send }: StandardIo) =>
  Effect.gen(function* () {
    const http = yield* HttpClient.HttpClient
    const settled = yield* Ref.make<Settled>({})
    /** The latest `initialize` of the client. */
    const introduction = yield* Ref.make<unknown>(undefined)
    const renewal = yield* Effect.makeSemaphore(1)
    const turn = yield* Effect.makeSemaphore(1)
    const start = yield* FiberSet.makeRuntime<never>()
    const tell = (message: unknown) => turn.withPermits(1)(send(JSON.stringify(message)))
    const address = `${url.replace(/(\/mcp)?\/*$/, "")}/mcp`

    const signed = (request: HttpClientRequest.HttpClientRequest) =>
      Option.match(key, {
        onNone: () => request,
        onSome: (token) => HttpClientRequest.bearerToken(request, token)
      })

    const postIn = (session: Settled, message: unknown) => {
      const headers = { ...session, accept: "application/json, text/event-stream" }
      return http.execute(
        HttpClientRequest.post(address, { headers }).pipe(
          signed,
          HttpClientRequest.bodyText(JSON.stringify(message), "application/json")
        )
      )
    }

    /** Introduces the client anew, if no other message has done so meanwhile. */
    const renew = Effect.fnUntraced(function* (over: Settled) {
      if ((yield* Ref.get(settled)) !== over) return
      const response = yield* postIn({}, yield* Ref.get(introduction))
      const renewed = settledBy(response, yield* parse(yield* response.text))
      if (sessionHeader in renewed) yield* Ref.set(settled, renewed)
    }, renewal.withPermits(1))

    /** A client over stdio does not know of sessions: one that is over, and so did nothing, is begun anew for it. */
    const post = Effect.fnUntraced(function* (message: unknown) {
      const session = yield* Ref.get(settled)
      const response = yield* postIn(session, message)
      if (response.status !== 404 || !(sessionHeader in session)) return response
      yield* renew(session)
      return yield* postIn(yield* Ref.get(settled), message)
    })

    /** A request is answered once, whatever becomes of the connection. */
    const ask = (message: unknown, id: JsonRpc.RequestId) =>
      Effect.gen(function* () {
        const isAnswered = yield* Ref.make(false)
        const pass = Effect.fnUntraced(function* (
          response: HttpClientResponse.HttpClientResponse,
          text: string
        ) {
          const answer = withId(yield* parse(text), id)
          // Whoever else answers speaks another language, which the client would wait on for ever.
          if (!Predicate.hasProperty(answer, "jsonrpc")) return
          if (methodOf(message) === "initialize") yield* Ref.set(settled, settledBy(response, answer))
          if (methodOf(answer) === undefined) yield* Ref.set(isAnswered, true)
          yield* tell(answer)
        })
        const asked = Effect.flatMap(post(message), (response) =>
          Stream.runForEach(messagesOf(response), (text) => pass(response, text))
        )
        yield* Effect.catchAll(asked, ({ _tag }) => Effect.logWarning("The server did not answer", _tag))
        if (yield* Ref.get(isAnswered)) return
        yield* tell(JsonRpc.failure(id, unreachable))
      })

    const inform = (message: unknown) =>
      Effect.scoped(post(message)).pipe(
        Effect.catchAll(({ _tag }) => Effect.logWarning("The server was not told", _tag))
      )

    const hear = Effect.fnUntraced(
      function* (line: string) {
        const message = yield* parse(line)
        const id = JsonRpc.idOf(message)
        if (id === undefined) start(inform(message))
        // What it settles must be known before anything else is sent.
        else if (methodOf(message) === "initialize")
          yield* Effect.zipRight(Ref.set(introduction, message), ask(message, id))
        else start(ask(message, id))
      },
      Effect.catchAll(() => tell(JsonRpc.failure(undefined, notJson)))
    )

    const leave = Effect.flatMap(Ref.get(settled), (headers) =>
      sessionHeader in headers
        ? Effect.ignore(http.execute(signed(HttpClientRequest.del(address, { headers }))))
        : Effect.void
    )
    yield* Effect.addFinalizer(() =>
      leave.pipe(Effect.disconnect, Effect.interruptible, Effect.timeoutOption("5 seconds"))
    )

    yield* Stream.runForEach(Lines.of(input, Lines.longest), hear)
  }).pipe(Effect.scoped, Effect.withSpan("McpBridge.run"))
