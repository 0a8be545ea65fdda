import {
  AuditVerification,
  EventLevel,
  EventName,
  ExecutionEvent,
  Replica,
  SystemMetrics,
  UserId,
  UserMetrics,
  UserUsage
} from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import {
  BadRequest,
  Conflict,
  ContentTooLarge,
  NotFound,
  StoreUnavailable,
  TooManyRequests,
  UnsupportedContent
} from "./ApiErrors.js"
import { AdminAuthentication } from "./Authentication.js"
import {
  anExecution,
  ExecutionBody,
  ExecutionList,
  executionFilter,
  Killed,
  KillReason,
  nextCursor
} from "./Executions.js"
import { LimitChangesBody, LimitsBody, LimitsInForceBody } from "./LimitBodies.js"
import * as Operations from "./Operations.js"
import { oneOf, pageParameters, query, spanParameters } from "./QueryParameters.js"

export const UsageList = Schema.Struct({
  usage: Schema.Array(UserUsage.annotations({ identifier: "UserUsage" })).annotations({
    description: "A page of them."
  }),
  nextCursor
}).annotations({ identifier: "UsageList", description: "By the user's name" })

const metrics = HttpApiEndpoint.get("metrics", "/metrics")
  .addSuccess(
    SystemMetrics.annotations({ identifier: "SystemMetrics", description: "How busy the system is" })
  )
  .annotate(OpenApi.Summary, "How busy the system is")
  .annotate(
    OpenApi.Description,
    "As it is now, by this server; what is counted since the start is lost with a restart. MCP clients' executions are among all others."
  )

const userMetrics = HttpApiEndpoint.get("userMetrics", "/metrics/:userId")
  .setPath(Schema.Struct({ userId: UserId }))
  .addSuccess(
    UserMetrics.annotations({ identifier: "UserMetrics", description: "All zeros for an unknown user" })
  )
  .annotate(OpenApi.Summary, "How busy one user is")
  .annotate(OpenApi.Description, "As it is now, by this server.")

/** HttpApi has no words for headers of an answer. */
const withNextCursor = (operation: Record<string, unknown>) => {
  const responses = operation.responses as Record<string, object>
  const description = "Asks for the events after these, as `cursor`. Absent: there are none."
  const headers = { "X-Next-Cursor": { description, schema: { type: "string" } } }
  return { ...operation, responses: { ...responses, 200: { ...responses[200], headers } } }
}

const logs = HttpApiEndpoint.get("logs", "/logs/:executionId")
  .setPath(anExecution)
  .setUrlParams(
    query({
      level: oneOf(EventLevel, "Only events of this level."),
      event: oneOf(EventName, "Only events of this kind."),
      ...spanParameters,
      ...pageParameters
    })
  )
  .addSuccess(
    Schema.Array(ExecutionEvent.annotations({ identifier: "ExecutionEvent" })).annotations({
      description: "Oldest first"
    })
  )
  .addError(NotFound.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, withNextCursor)
  .annotate(OpenApi.Summary, "What happened to one execution")
  .annotate(
    OpenApi.Description,
    "All of it, unless `limit` or `cursor` asks for a page. `from` and `to` are about when something happened."
  )

const kill = HttpApiEndpoint.post("kill", "/kill/:executionId")
  .setPath(anExecution)
  .setPayload(KillReason)
  .addSuccess(Killed)
  .addError(NotFound.answer)
  .addError(Conflict.answer)
  .addError(ContentTooLarge.answer)
  .addError(UnsupportedContent.answer)
  .addError(TooManyRequests.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, Operations.withoutBody)
  .annotate(OpenApi.Summary, "End an execution, waiting or running")
  .annotate(
    OpenApi.Description,
    "Answers at once. Its program gets SIGTERM, and SIGKILL after the grace; 409 for an execution that has ended."
  )

const executions = HttpApiEndpoint.get("executions", "/executions")
  .setUrlParams(executionFilter)
  .addSuccess(ExecutionList)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Summary, "Executions, also those that ended")
  .annotate(OpenApi.Description, "`from` and `to` are about when an execution began.")

const execution = HttpApiEndpoint.get("execution", "/executions/:executionId")
  .setPath(anExecution)
  .addSuccess(ExecutionBody)
  .addError(NotFound.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Summary, "One execution and its result, also when its caller went away")
  .annotate(OpenApi.Description, "Of any user. The latest results are kept, as far as there is room.")

const usage = HttpApiEndpoint.get("usage", "/usage")
  .setUrlParams(
    query({ userId: Schema.optionalWith(UserId, { exact: true }), ...spanParameters, ...pageParameters })
  )
  .addSuccess(UsageList)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Summary, "What each user's executions used, and what that costs")
  .annotate(OpenApi.Description, "`from` and `to` are about when an execution ended.")

const verifyAudit = HttpApiEndpoint.get("verifyAudit", "/audit/verify")
  .addSuccess(AuditVerification.annotations({ identifier: "AuditVerification" }))
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Summary, "Whether the log of what happened is as it was written")
  .annotate(OpenApi.Description, "Walks along all of it, which takes a while where it is long.")

export const ReplicaList = Schema.Struct({
  replicas: Schema.Array(Replica.annotations({ identifier: "Replica" })).annotations({
    description: "All of them, by their names. None: the server is one by itself."
  })
}).annotations({ identifier: "ReplicaList", description: "The servers that are one service" })

const replicas = HttpApiEndpoint.get("replicas", "/replicas")
  .addSuccess(ReplicaList)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Summary, "The servers that are one service with this one")
  .annotate(
    OpenApi.Description,
    "As each last said of itself. One that was shut down is not among them; one that died is, for a day."
  )

const limits = HttpApiEndpoint.get("limits", "/limits")
  .addSuccess(LimitsInForceBody)
  .annotate(OpenApi.Summary, "The limits in force")
  .annotate(OpenApi.Description, "Those of the settings, with what was changed since the start.")

const changeLimits = HttpApiEndpoint.put("changeLimits", "/limits")
  .setPayload(LimitChangesBody)
  .addSuccess(LimitsBody)
  .addError(ContentTooLarge.answer)
  .addError(UnsupportedContent.answer)
  .addError(TooManyRequests.answer)
  .addError(StoreUnavailable.answer)
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
  .add(usage)
  .add(verifyAudit)
  .add(replicas)
  .add(limits)
  .add(changeLimits)
  .addError(BadRequest.answer)
  .middleware(AdminAuthentication)
  .prefix("/api/sandbox")
