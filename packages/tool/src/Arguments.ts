import {
  ExecutionId,
  ExecutionNotFound,
  faultOf,
  InvalidRequest,
  LimitsSchema,
  UserId
} from "@bulkhead/domain"
import { Effect, Schema } from "effect"

/** An id for what is refused before the service sees it. */
export const freshId = Effect.sync(() =>
  ExecutionId.make(`exec_${globalThis.crypto.randomUUID().replaceAll("-", "")}`)
)

const argument = <A, I>(field: string, schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknown(schema)
  return (value: unknown): Effect.Effect<A, InvalidRequest> =>
    Effect.catchAll(decode(value), (error) => {
      const { message } = faultOf(error, field)
      return Effect.flatMap(freshId, (executionId) => new InvalidRequest({ executionId, field, message }))
    })
}

/** Whom something is for. */
export const userId = argument("userId", UserId)

/** What new work is to be called. */
export const newExecutionId = argument("executionId", ExecutionId)

/** Seconds of wall time. */
export const timeout = argument("timeout", Schema.UndefinedOr(LimitsSchema.fields.maxTimeout))

/** Whatever cannot be an execution's id is the id of none. */
export const executionId = (value: string): Effect.Effect<ExecutionId, ExecutionNotFound> =>
  Schema.is(ExecutionId)(value)
    ? Effect.succeed(value)
    : new ExecutionNotFound({ executionId: String(value).slice(0, 69) })
