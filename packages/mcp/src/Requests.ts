import type { ArtifactStore } from "@bulkhead/artifacts"
import { shownName } from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import { Cause, Effect, Predicate, Schema, Stream } from "effect"
import type { Caller } from "./Caller.js"
import * as JsonRpc from "./JsonRpc.js"
import * as Artifacts from "./resources/Artifacts.js"
import * as ExecuteCode from "./tools/ExecuteCode.js"
import * as ExecutionTools from "./tools/ExecutionTools.js"

/** What answers need. */
export type Services = SandboxService | ArtifactStore

type Answer = Stream.Stream<JsonRpc.Outgoing, JsonRpc.RpcFailure, Services>

const ToolCall = Schema.Struct({
  name: Schema.String,
  arguments: JsonRpc.optional(Schema.Unknown),
  _meta: JsonRpc.optional(Schema.Struct({ progressToken: JsonRpc.optional(JsonRpc.RequestId) }))
})

const readToolCall = JsonRpc.params(ToolCall)

const toolNames = [ExecuteCode.name, ...Object.keys(ExecutionTools.tools)]

const listTools = Effect.sync(() => ({
  tools: [
    ExecuteCode.definition(),
    ...Object.values(ExecutionTools.tools).map(({ definition }) => definition())
  ]
}))

const unknownTool = (name: string) =>
  JsonRpc.invalidParams(`name: expected one of ${toolNames.join(", ")}, got ${shownName(name)}`)

/** Progress goes up by one with each notification, as it must. */
const execute = (
  id: JsonRpc.RequestId,
  args: unknown,
  caller: Caller,
  progressToken: JsonRpc.RequestId | undefined
): Answer =>
  ExecuteCode.run(args, caller, { tellsProgress: progressToken !== undefined }).pipe(
    Stream.zipWithIndex,
    Stream.map(([told, index]) =>
      told._tag === "Result"
        ? JsonRpc.result(id, told.result)
        : JsonRpc.notification("notifications/progress", {
            progressToken,
            progress: index + 1,
            message: told.message
          })
    )
  )

const callTool = (id: JsonRpc.RequestId, params: unknown, caller: Caller): Answer =>
  Stream.unwrap(
    Effect.flatMap(readToolCall(params), ({ _meta, arguments: args = {}, name }) => {
      if (name === ExecuteCode.name) return Effect.succeed(execute(id, args, caller, _meta?.progressToken))
      const tool = Object.hasOwn(ExecutionTools.tools, name) ? ExecutionTools.tools[name] : undefined
      return tool === undefined
        ? unknownTool(name)
        : Effect.map(ExecutionTools.call(tool, args, caller), (result) =>
            Stream.succeed(JsonRpc.result(id, result))
          )
    })
  )

const once = (id: JsonRpc.RequestId, answer: Effect.Effect<object, JsonRpc.RpcFailure, Services>): Answer =>
  Stream.map(Stream.fromEffect(answer), (result) => JsonRpc.result(id, result))

const answerOf = ({ id, method, params }: JsonRpc.Request, caller: Caller): Answer => {
  switch (method) {
    case "ping":
      return once(id, Effect.succeed({}))
    case "tools/list":
      return once(id, listTools)
    case "tools/call":
      return callTool(id, params, caller)
    case "resources/list":
      return once(id, Artifacts.list(params, caller))
    case "resources/templates/list":
      return once(id, Artifacts.listTemplates)
    case "resources/read":
      return once(id, Artifacts.read(params, caller))
    default:
      return Stream.fail(
        new JsonRpc.RpcFailure({
          code: JsonRpc.codes.methodNotFound,
          message: `There is no method ${shownName(method)}`
        })
      )
  }
}

const fault = { code: JsonRpc.codes.internalError, message: "The server failed; its log says why" }

/** What comes of a request of a client that has introduced itself: perhaps progress, and in the end one answer. */
export const answer = (
  request: JsonRpc.Request,
  caller: Caller
): Stream.Stream<JsonRpc.Outgoing, never, Services> =>
  answerOf(request, caller).pipe(
    Stream.catchTag("RpcFailure", (failure) => Stream.succeed(JsonRpc.failure(request.id, failure))),
    Stream.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Stream.empty
        : Stream.fromEffect(
            Effect.as(Effect.logError("A request over MCP failed", cause), JsonRpc.failure(request.id, fault))
          )
    )
  )

/** Whether an answer may be long in coming. */
export const isLong = ({ method, params }: JsonRpc.Request) =>
  method === "tools/call" && Predicate.hasProperty(params, "name") && params.name === ExecuteCode.name
