import { ExecutionId, type ExecutionRecord, executionError, type UserId } from "@bulkhead/domain"
import { SandboxService, type StoreFailure } from "@bulkhead/sandbox"
import { Effect, Schema } from "effect"
import * as JsonRpc from "./JsonRpc.js"

// The same for an unknown execution and for another user's.
export const absent = JsonRpc.refused(executionError("NOT_FOUND", "There is no such execution"))

/** What is kept cannot be read at present; why is for the operator's log. */
export const unreadable = (failure: StoreFailure) =>
  Effect.zipRight(
    Effect.logError("The record of executions cannot be read", failure),
    JsonRpc.refused(
      executionError("RECORD_UNAVAILABLE", "The record of executions cannot be read at present")
    )
  )

/** An execution, if it is the user's own. */
export const find = Effect.fn("OwnExecutions.find")(function* (
  executionId: string,
  owner: UserId
): Effect.fn.Return<ExecutionRecord, JsonRpc.RpcFailure, SandboxService> {
  if (!Schema.is(ExecutionId)(executionId)) return yield* absent
  const { getExecution } = yield* SandboxService
  const found = yield* getExecution(executionId).pipe(
    Effect.catchTags({ ExecutionNotFound: () => absent, StoreFailure: unreadable })
  )
  return found.userId === owner ? found : yield* absent
})
