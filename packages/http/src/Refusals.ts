import { randomUUID } from "node:crypto"
import { type ExecutionError, ExecutionId, type ExecutionResult, rejectedResult } from "@bulkhead/domain"
import { Effect } from "effect"

/** An id for a request that is refused before it reaches the service. */
export const freshId = Effect.sync(() => ExecutionId.make(`exec_${randomUUID().replaceAll("-", "")}`))

/** The result of a request that is refused before it reaches the service. */
export const refusedResult = (error: ExecutionError): Effect.Effect<ExecutionResult> =>
  Effect.map(freshId, (executionId) => rejectedResult(executionId, error))
