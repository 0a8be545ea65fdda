import { BulkheadApi, Conflict, NotFound } from "@bulkhead/api"
import { type ExecutionEnded, ExecutionId, ExecutionNotFound, executionError } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder } from "@effect/platform"
import { Effect, Schema } from "effect"

const known = (executionId: string) =>
  Schema.is(ExecutionId)(executionId)
    ? Effect.succeed(executionId)
    : new ExecutionNotFound({ executionId: executionId.slice(0, 69) })

const notFound = ({ message }: ExecutionNotFound) =>
  new NotFound({ error: executionError("INVALID_REQUEST", message) })

const conflict = ({ message }: ExecutionEnded) =>
  new Conflict({ error: executionError("INVALID_REQUEST", message) })

export const layer = HttpApiBuilder.group(BulkheadApi, "admin", (handlers) =>
  Effect.gen(function* () {
    const service = yield* SandboxService
    return handlers
      .handle("metrics", () => service.getSystemMetrics)
      .handle("userMetrics", ({ path }) => service.getUserMetrics(path.userId))
      .handle("logs", ({ path }) =>
        Effect.flatMap(known(path.executionId), service.getLogs).pipe(
          Effect.catchTag("ExecutionNotFound", notFound)
        )
      )
      .handle("kill", ({ path }) =>
        Effect.flatMap(known(path.executionId), (id) => service.killExecution(id, "admin_request")).pipe(
          Effect.as({ success: true as const }),
          Effect.catchTags({ ExecutionNotFound: notFound, ExecutionEnded: conflict })
        )
      )
      .handle("execution", ({ path }) =>
        Effect.flatMap(known(path.executionId), service.getExecution).pipe(
          Effect.catchTag("ExecutionNotFound", notFound)
        )
      )
      .handle("executions", ({ urlParams: { state, userId } }) =>
        Effect.map(
          service.listExecutions({ ...(userId && { userId }), ...(state && { state }) }),
          (executions) => ({ executions })
        )
      )
  })
)
