import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import {
  BadRequest,
  Conflict,
  ContentTooLarge,
  NotFound,
  StoreUnavailable,
  TooManyRequests,
  UnsupportedContent
} from "./ApiErrors.js"
import { ReaderAuthentication } from "./Authentication.js"
import {
  anExecution,
  ExecutionBody,
  ExecutionList,
  executionFilter,
  Killed,
  KillReason
} from "./Executions.js"
import * as Operations from "./Operations.js"

const list = HttpApiEndpoint.get("list", "/api/executions")
  .setUrlParams(executionFilter)
  .addSuccess(ExecutionList)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "One's own executions, also those that ended")
  .annotate(
    OpenApi.Description,
    "With a caller's key its user's, otherwise all. `from` and `to` are about when an execution began. Those that wait or run come whole, without pages, when their `state` is asked for."
  )

const get = HttpApiEndpoint.get("get", "/api/executions/:executionId")
  .setPath(anExecution)
  .addSuccess(ExecutionBody)
  .addError(NotFound.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "How far an execution is, and its result")
  .annotate(
    OpenApi.Description,
    "`state` is `ended` once there is nothing more to wait for; `ahead` is how many may have their turn before it, at most, while it waits. For whoever's execution it is, and for the operator; to all others it is unknown."
  )

const kill = HttpApiEndpoint.post("kill", "/api/executions/:executionId/kill")
  .setPath(anExecution)
  .setPayload(KillReason)
  .addSuccess(Killed)
  .addError(NotFound.answer)
  .addError(Conflict.answer)
  .addError(ContentTooLarge.answer)
  .addError(UnsupportedContent.answer)
  .addError(TooManyRequests.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, (operation) => Operations.withoutKey(Operations.withoutBody(operation)))
  .annotate(OpenApi.Summary, "End an execution of one's own, waiting or running")
  .annotate(
    OpenApi.Description,
    "Answers as soon as the end is under way: SIGTERM, the grace period, SIGKILL. The log and the result say `user_request`, or `admin_request` with the operator's token, before the reason that is given."
  )

/** What callers ask about executions of their own. */
export const ExecutionsApi = HttpApiGroup.make("executions")
  .add(list)
  .add(get)
  .add(kill)
  .addError(BadRequest.answer)
  .middleware(ReaderAuthentication)
