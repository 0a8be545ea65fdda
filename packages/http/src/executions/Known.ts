import { Conflict, NotFound, Reader } from "@bulkhead/api"
import { type ExecutionEnded, ExecutionId, ExecutionNotFound, executionError } from "@bulkhead/domain"
import { SandboxService, type StoreFailure } from "@bulkhead/sandbox"
import { Effect, Schema } from "effect"
import * as Refusals from "../Refusals.js"

const unknown = (executionId: string) => new ExecutionNotFound({ executionId: executionId.slice(0, 69) })

/** What cannot be an execution's id is the id of none. */
export const id = (executionId: string) =>
  Schema.is(ExecutionId)(executionId) ? Effect.succeed(executionId) : unknown(executionId)

/** An execution that the reader may see. Somebody else's is told apart from none in nothing. */
export const own = Effect.fnUntraced(function* (executionId: string) {
  const { getExecution } = yield* SandboxService
  const { mayRead } = yield* Reader
  const record = yield* Effect.flatMap(id(executionId), getExecution)
  return mayRead(record.userId) ? record : yield* unknown(executionId)
})

/** 404. */
export const notFound = ({ message }: ExecutionNotFound) =>
  new NotFound({ error: executionError("NOT_FOUND", message) })

/** 409. */
export const ended = ({ message }: ExecutionEnded) =>
  new Conflict({ error: executionError("CONFLICT", message) })

/** 503. */
export const unreadable = (failure: StoreFailure) =>
  Refusals.unreadable("The record of executions", failure.reason)(failure)
