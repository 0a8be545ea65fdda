import { BadRequest, BulkheadApi, Conflict, KillReason, NotFound } from "@bulkhead/api"
import {
  type ExecutionEnded,
  ExecutionId,
  ExecutionNotFound,
  executionError,
  type LimitChanges
} from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest } from "@effect/platform"
import { Effect, ParseResult, Schema } from "effect"
import * as RequestBody from "./RequestBody.js"

const known = (executionId: string) =>
  Schema.is(ExecutionId)(executionId)
    ? Effect.succeed(executionId)
    : new ExecutionNotFound({ executionId: executionId.slice(0, 69) })

const notFound = ({ message }: ExecutionNotFound) =>
  new NotFound({ error: executionError("INVALID_REQUEST", message) })

const conflict = ({ message }: ExecutionEnded) =>
  new Conflict({ error: executionError("INVALID_REQUEST", message) })

const badRequest = ({ message }: { readonly message: string }) =>
  new BadRequest({ error: executionError("INVALID_REQUEST", message) })

/** More than any body of these routes needs. */
const largestBody = 64 * 1024

const jsonOf = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.mapError(RequestBody.json(request, largestBody), badRequest)

const decodeReason = Schema.decodeUnknown(KillReason, { onExcessProperty: "error" })

/** Whoever gives no reason sends no body. */
const killReason = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  if (request.headers["content-type"] === undefined) return "admin_request"
  const body = yield* jsonOf(request)
  const { reason } = yield* Effect.mapError(decodeReason(body), (error) => {
    const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
    return badRequest({ message: `${issue?.path.join(".") || "body"}: ${issue?.message ?? "malformed"}` })
  })
  return reason ?? "admin_request"
})

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
      .handleRaw("kill", ({ path, request }) =>
        Effect.all([known(path.executionId), killReason(request)]).pipe(
          Effect.flatMap(([id, reason]) => service.killExecution(id, reason)),
          Effect.as({ success: true as const }),
          Effect.catchTags({ ExecutionNotFound: notFound, ExecutionEnded: conflict })
        )
      )
      .handle("limits", () => service.limits)
      .handleRaw("changeLimits", ({ request }) =>
        Effect.flatMap(jsonOf(request), (changes) =>
          // The service says what is wrong with whatever it is given.
          Effect.mapError(service.changeLimits(changes as LimitChanges), badRequest)
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
