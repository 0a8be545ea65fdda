import { ExecutionId, ExecutionState, UpdateId } from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { BadRequest, ExecutionRefused, NotFound, StoreUnavailable, TooManyRequests } from "./ApiErrors.js"
import { CallerAuthentication, ReaderAuthentication } from "./Authentication.js"
import { completed, Payload } from "./ExecuteApi.js"
import { anExecution } from "./Executions.js"
import * as Operations from "./Operations.js"
import { query } from "./QueryParameters.js"

/** An execution that was accepted, and goes on without its caller. */
export const SubmittedBody = Schema.Struct({
  executionId: ExecutionId,
  /** `ended` if an earlier request with the same key has been run. */
  state: ExecutionState
}).annotations({ identifier: "SubmittedExecution", description: "The execution that was accepted" })

const eventStream = Schema.String.annotations({
  description:
    "Server-sent events: `queued`, `started`, `stdout`, `stderr`, `retrying`, `artifact`, `missed`, and last `result`, `ended` or `closing`. The data of each is an `ExecutionUpdate` as JSON, its id what `Last-Event-ID` takes."
})

/** A stream of updates, as its answer is described. */
export const EventStream = eventStream.pipe(
  HttpApiSchema.withEncoding({ kind: "Text", contentType: "text/event-stream" })
)

const location = {
  Location: { description: "The execution.", schema: { type: "string" } }
}

/** What HttpApi has no words for: the answer has a header. */
const withLocation = (operation: Record<string, unknown>) => {
  const described = completed(operation)
  const responses = described.responses as Record<string, object>
  return { ...described, responses: { ...responses, 202: { ...responses[202], headers: location } } }
}

const submit = HttpApiEndpoint.post("submit", "/api/executions")
  .setPayload(Payload)
  .addSuccess(SubmittedBody, { status: 202 })
  .addError(ExecutionRefused.answers)
  .middleware(CallerAuthentication)
  .annotate(OpenApi.Transform, withLocation)
  .annotate(OpenApi.Summary, "Begin an execution that goes on without its caller")
  .annotate(
    OpenApi.Description,
    "Answers as soon as the execution has its turn or waits for it. Its events and its result are found by its id. A request that is refused is answered as by `POST /api/execute`."
  )

const after = (description: string) =>
  Schema.optionalWith(Schema.Union(UpdateId, Schema.Literal("")).annotations({ description }), {
    exact: true
  })

const events = HttpApiEndpoint.get("events", "/api/executions/:executionId/events")
  .setPath(anExecution)
  .setHeaders(
    Schema.Struct({
      "last-event-id": after("The id of the last event that was seen. Counts before `after`.")
    })
  )
  .setUrlParams(query({ after: after("The same, for who cannot set the header.") }))
  .addSuccess(EventStream)
  .addSuccess(HttpApiSchema.NoContent)
  .addError(BadRequest.answer)
  .addError(NotFound.answer)
  .addError(TooManyRequests.answer)
  .addError(StoreUnavailable.answer)
  .middleware(ReaderAuthentication)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "Read along with an execution")
  .annotate(
    OpenApi.Description,
    "For whoever's execution it is, and for the operator. Begins at the beginning, or after an event that was seen, as far back as events are kept: about 256 KB of output while it runs, what the result has afterwards. What is missed is said. Answers 204 after the last event, so that browsers stop asking. Reading ends nothing and holds up nothing."
  )

/** Executions that go on without their callers, and what happens to them while it happens. */
export const StreamApi = HttpApiGroup.make("streams").add(submit).add(events)
