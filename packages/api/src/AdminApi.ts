import {
  ExecutionEvent,
  ExecutionRecord,
  ExecutionState,
  ExecutionSummary,
  LimitChanges,
  LimitsSchema,
  SystemMetrics,
  UserId,
  UserMetrics
} from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { BadRequest, Conflict, NotFound } from "./ApiErrors.js"
import { AdminAuthentication } from "./Authentication.js"

export const Killed = Schema.Struct({ success: Schema.Literal(true) }).annotations({
  identifier: "Killed",
  description: "The end of the execution is under way"
})

export const ExecutionList = Schema.Struct({
  executions: Schema.Array(ExecutionSummary.annotations({ identifier: "ExecutionSummary" }))
}).annotations({ identifier: "ExecutionList", description: "Newest first" })

// Not `ExecutionId`: an id that cannot exist is unknown, not malformed.
const anExecution = Schema.Struct({ executionId: Schema.String })

const metrics = HttpApiEndpoint.get("metrics", "/metrics")
  .addSuccess(
    SystemMetrics.annotations({ identifier: "SystemMetrics", description: "How busy the system is" })
  )
  .annotate(OpenApi.Summary, "How busy the system is")

const userMetrics = HttpApiEndpoint.get("userMetrics", "/metrics/:userId")
  .setPath(Schema.Struct({ userId: UserId }))
  .addSuccess(
    UserMetrics.annotations({ identifier: "UserMetrics", description: "All zeros for an unknown user" })
  )
  .annotate(OpenApi.Summary, "How busy one user is")

const logs = HttpApiEndpoint.get("logs", "/logs/:executionId")
  .setPath(anExecution)
  .addSuccess(
    Schema.Array(ExecutionEvent.annotations({ identifier: "ExecutionEvent" })).annotations({
      description: "Oldest first"
    })
  )
  .addError(NotFound.answer)
  .annotate(OpenApi.Summary, "What happened to one execution")

/** Why an execution is ended, for its log and its result. */
export const KillReason = Schema.Struct({
  /** 1 to 200 characters; `admin_request` unless told. */
  reason: Schema.optional(
    Schema.String.pipe(
      Schema.filter((reason) => reason.length > 0 && reason.length <= 200 && !/\p{Cc}/u.test(reason), {
        message: () => "expected 1 to 200 characters without control characters"
      })
    )
  )
}).annotations({ identifier: "KillReason" })

/** Whoever gives no reason sends no body. */
const withoutBody = (operation: Record<string, unknown>) => ({
  ...operation,
  requestBody: { ...(operation.requestBody as object), required: false }
})

const kill = HttpApiEndpoint.post("kill", "/kill/:executionId")
  .setPath(anExecution)
  .setPayload(KillReason)
  .addSuccess(Killed)
  .addError(NotFound.answer)
  .addError(Conflict.answer)
  .annotate(OpenApi.Transform, withoutBody)
  .annotate(OpenApi.Summary, "End an execution, waiting or running")

const executions = HttpApiEndpoint.get("executions", "/executions")
  .setUrlParams(Schema.Struct({ userId: Schema.optional(UserId), state: Schema.optional(ExecutionState) }))
  .addSuccess(ExecutionList)
  .annotate(OpenApi.Summary, "Executions that wait or run, and the latest that ended")

const execution = HttpApiEndpoint.get("execution", "/executions/:executionId")
  .setPath(anExecution)
  .addSuccess(
    ExecutionRecord.annotations({
      identifier: "ExecutionRecord",
      description: "With the result, as long as it is kept"
    })
  )
  .addError(NotFound.answer)
  .annotate(OpenApi.Summary, "One execution and its result, also when its caller went away")

const LimitsBody = LimitsSchema.annotations({ identifier: "Limits", description: "The limits in force" })

const limits = HttpApiEndpoint.get("limits", "/limits")
  .addSuccess(LimitsBody)
  .annotate(OpenApi.Summary, "The limits in force")

const changeLimits = HttpApiEndpoint.put("changeLimits", "/limits")
  .setPayload(LimitChanges.annotations({ identifier: "LimitChanges" }))
  .addSuccess(LimitsBody)
  .annotate(OpenApi.Summary, "Change limits while the service runs")
  .annotate(
    OpenApi.Description,
    "For what comes from now on, and for who waits. What is left out stays as it is; limits of the sandboxes themselves are fixed when the service starts. A restart forgets the changes."
  )

/** What the operator uses. */
export const AdminApi = HttpApiGroup.make("admin")
  .add(metrics)
  .add(userMetrics)
  .add(logs)
  .add(kill)
  .add(executions)
  .add(execution)
  .add(limits)
  .add(changeLimits)
  .addError(BadRequest.answer)
  .middleware(AdminAuthentication)
  .prefix("/api/sandbox")
