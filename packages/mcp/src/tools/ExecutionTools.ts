import { KillReason } from "@bulkhead/api"
import {
  type ExecutionRecord,
  ExecutionState,
  type ExecutionSummary,
  executionError,
  shortResult,
  type UserId
} from "@bulkhead/domain"
import { KillRequest } from "@bulkhead/http"
import { SandboxService } from "@bulkhead/sandbox"
import { Effect, JSONSchema, Schema } from "effect"
import type { Caller } from "../Caller.js"
import * as JsonRpc from "../JsonRpc.js"
import * as OwnExecutions from "../OwnExecutions.js"
import * as ToolResult from "./ToolResult.js"

const executionId = Schema.String.pipe(
  Schema.maxLength(128, { message: () => "expected at most 128 characters" }),
  Schema.annotations({ description: "The `executionId` of an execution of yours." })
)

const StatusArguments = Schema.Struct({ executionId })

const KillArguments = Schema.Struct({ executionId, ...KillReason.fields })

const ListArguments = Schema.Struct({
  state: JsonRpc.optional(
    ExecutionState.annotations({
      description: "Only those in this state: queued, starting, running, tracked or ended."
    })
  ),
  limit: JsonRpc.optional(
    Schema.Int.pipe(
      Schema.between(1, 100, { message: () => "expected a whole number, 1 to 100" }),
      Schema.annotations({ description: "Most executions of the answer, 1 to 100; 20 unless told." })
    )
  ),
  cursor: JsonRpc.optional(
    Schema.NonEmptyString.annotations({
      message: () =>
        "expected the `nextCursor` of the answer before; without it, the list begins at its start",
      description: "The `nextCursor` of the answer before, for what comes after."
    })
  )
})

const readOnly = { readOnlyHint: true, openWorldHint: false }

const own = (executionId: string, userId: UserId) =>
  Effect.catchTag(OwnExecutions.find(executionId, userId), "ExecutionNotFound", OwnExecutions.absent)

const status = Effect.fn("ExecutionTools.status")(function* (args: unknown, { userId }: Caller) {
  const asked = yield* JsonRpc.toolArguments(StatusArguments)(args)
  return shortRecord(yield* own(asked.executionId, userId))
})

const shortRecord = ({ result, ...summary }: ExecutionRecord) =>
  result === undefined ? summary : { ...summary, result: shortResult(result) }

const kill = Effect.fn("ExecutionTools.kill")(function* (args: unknown, { userId }: Caller) {
  const asked = yield* JsonRpc.toolArguments(KillArguments)(args)
  const { executionId } = yield* own(asked.executionId, userId)
  const { killExecution } = yield* SandboxService
  yield* killExecution(executionId, KillRequest.by(KillRequest.ofUser, asked.reason)).pipe(
    Effect.catchTags({
      ExecutionEnded: ({ message }) => JsonRpc.refused(executionError("CONFLICT", message)),
      ExecutionNotFound: OwnExecutions.absent,
      StoreFailure: OwnExecutions.unreadable
    })
  )
  return { success: true, executionId }
})

const usualList = 20

const list = Effect.fn("ExecutionTools.list")(function* (args: unknown, { userId }: Caller) {
  const { limit = usualList, ...query } = yield* JsonRpc.toolArguments(ListArguments)(args)
  const { listExecutions } = yield* SandboxService
  const { items, nextCursor } = yield* Effect.catchTag(
    listExecutions({ ...query, limit, userId }),
    "StoreFailure",
    OwnExecutions.unreadable
  )
  const executions: ReadonlyArray<ExecutionSummary> = items
  return { executions, ...(nextCursor === undefined ? {} : { nextCursor }) }
})

/** A tool whose answer comes at once. */
interface QuickTool {
  readonly definition: () => object
  readonly call: (args: unknown, caller: Caller) => Effect.Effect<object, JsonRpc.RpcFailure, SandboxService>
}

/** The tools beside `execute_code`, by name: for a caller's own executions, and for no others. */
export const tools: Readonly<Record<string, QuickTool>> = {
  execution_status: {
    definition: () => ({
      name: "execution_status",
      title: "Look at an execution",
      description: "What became of an execution of yours: its state, and its result once it has ended.",
      inputSchema: JSONSchema.make(StatusArguments),
      annotations: readOnly
    }),
    call: status
  },
  kill_execution: {
    definition: () => ({
      name: "kill_execution",
      title: "End an execution",
      description: "Ends an execution of yours that waits or runs, with all its processes.",
      inputSchema: JSONSchema.make(KillArguments),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false }
    }),
    call: kill
  },
  list_executions: {
    definition: () => ({
      name: "list_executions",
      title: "List executions",
      description: "Your executions, newest first.",
      inputSchema: JSONSchema.make(ListArguments),
      annotations: readOnly
    }),
    call: list
  }
}

const errorOf = ({ error, message }: JsonRpc.RpcFailure) =>
  error ?? executionError("INVALID_REQUEST", message)

/** What is refused is the tool's answer, so that a model can read it. */
export const call = (tool: QuickTool, args: unknown, caller: Caller) =>
  Effect.match(tool.call(args, caller), {
    onFailure: (failure) => ToolResult.failed(errorOf(failure)),
    onSuccess: (value) => ToolResult.of(value)
  })
