import { anonymous } from "@bulkhead/domain"
import { ExecutionBody } from "@bulkhead/http"
import { SandboxService } from "@bulkhead/sandbox"
import { Effect, FiberSet, Option, Ref, Stream } from "effect"
import * as JsonRpc from "../JsonRpc.js"
import * as Protocol from "../Protocol.js"
import type * as Requests from "../Requests.js"
import * as Session from "../Session.js"
import * as Lines from "./Lines.js"
import type { StandardIo } from "./StandardIo.js"

const notJson = { code: JsonRpc.codes.parseError, message: "expected one line of JSON" }

const notIntroduced = JsonRpc.refusedRequest("expected initialize before any other request")

const tooLarge = (largest: number) =>
  JsonRpc.refusedRequest(`message: expected at most ${largest} characters`)

const parse = (line: string) =>
  Effect.try({ try: (): unknown => JSON.parse(line), catch: () => new JsonRpc.RpcFailure(notJson) })

/**
 * Speaks MCP with the one client that has started this process, on the service that is here. Returns when the client has
 * closed its end; what it still runs is killed.
 */
export const serve = ({ input, send }: StandardIo) =>
  Effect.gen(function* () {
    const { limits } = yield* SandboxService
    const { largest } = ExecutionBody.boundsOfJson(yield* limits)
    const session = yield* Ref.make(Option.none<Session.Session>())
    const turn = yield* Effect.makeSemaphore(1)
    const start = yield* FiberSet.makeRuntime<Requests.Services>()
    const tell = (message: JsonRpc.Outgoing) => turn.withPermits(1)(send(JSON.stringify(message)))

    const answer = (current: Session.Session, request: JsonRpc.Request) =>
      Stream.runForEach(current.answer(request), tell)

    const introduce = Effect.fnUntraced(function* (request: JsonRpc.Request) {
      const version = yield* Session.versionFor(request)
      yield* Ref.set(session, Option.some(yield* Session.make(anonymous, version)))
      yield* tell(JsonRpc.result(request.id, Protocol.introduction(version)))
    })

    const take = Effect.fnUntraced(function* (message: JsonRpc.Incoming) {
      if (message._tag === "Answer") return
      if (message._tag === "Request" && message.method === "initialize") return yield* introduce(message)
      const current = yield* Ref.get(session)
      if (message._tag === "Notification") {
        return yield* Option.match(current, {
          onNone: () => Effect.void,
          onSome: ({ hear }) => hear(message)
        })
      }
      if (Option.isNone(current)) return yield* notIntroduced
      start(answer(current.value, message))
    })

    const hearValue = (value: unknown, length: number) =>
      Effect.catchAll(
        length > largest ? tooLarge(largest) : Effect.flatMap(JsonRpc.read(value), take),
        (failure) => tell(JsonRpc.failure(JsonRpc.idOf(value), failure))
      )

    const hear = (line: string) =>
      Effect.matchEffect(parse(line), {
        onFailure: (failure) => tell(JsonRpc.failure(undefined, failure)),
        onSuccess: (value) => hearValue(value, line.length)
      })

    yield* Stream.runForEach(Lines.of(input, Lines.longest), hear)
  }).pipe(Effect.scoped, Effect.withSpan("McpStdio.serve"))
