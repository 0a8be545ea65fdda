import {
  ExecutionId,
  ExecutionNotFound,
  type ExecutionRecord,
  executionError,
  type UserId
} from "@bulkhead/domain"
import { SandboxService, type StoreFailure } from "@bulkhead/sandbox"
import { Effect, Schema } from "effect"
import * as JsonRpc from "./JsonRpc.js"

/** What is told of an unknown execution and of another user's: the same. */
export const absent = () => JsonRpc.refused(executionError("NOT_FOUND", "There is no such execution"))

/** What is kept cannot be read at present; why is for the operator's log. */
export const unreadable = (failure: StoreFailure) =>
  Effect.zipRight(
    Effect.logError("The record of executions cannot be read", failure),
    JsonRpc.refused(
      executionError("RECORD_UNAVAILABLE", "The record of executions cannot be read at present")
    )
  )

/** An execution, if it is the user's own. Whoever else's it is, it is not found. */
export const find = Effect.fn("OwnExecutions.find")(function* (
  executionId: string,
  owner: UserId
): Effect.fn.Return<ExecutionRecord, JsonRpc.RpcFailure | ExecutionNotFound, SandboxService> {
  const notFound = new ExecutionNotFound({ executionId: executionId.slice(0, 69) })
  if (!Schema.is(ExecutionId)(executionId)) return yield* notFound
  const { getExecution } = yield* SandboxService
  const found = yield* Effect.catchTag(getExecution(executionId), "StoreFailure", unreadable)
  return found.userId === owner ? found : yield* notFound
})
