import { ExecutionRequest } from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { JSONSchema, Schema } from "effect"
import { ExecutionRefused, ResultBody } from "./ApiErrors.js"
import { CallerAuthentication } from "./Authentication.js"

// `encodedBoundSchema` forgets what the fields mean.
const { $schema, ...written } = JSONSchema.make(ExecutionRequest, { target: "openApi3.1" })

/** A request as it is written; the service fills in the defaults. */
export const Payload = Schema.encodedBoundSchema(ExecutionRequest).annotations({
  identifier: "ExecutionRequest",
  jsonSchema: { ...written, examples: [{ code: 'print("Hello, World!")', language: "python" }] }
})

const retryAfter = {
  "Retry-After": {
    description: "Whole seconds after which trying again makes sense.",
    schema: { type: "integer" }
  }
}

const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "The same as `idempotencyKey` of the body, for those who cannot write it there.",
  schema: { type: "string" }
}

/** The request in a part of its own or as fields, and files beside it. */
const form = {
  schema: {
    type: "object",
    description:
      "The request as JSON in the part `request`, or its fields as parts: `code`, `language`, `image`, `userId`, `outputDir`, `idempotencyKey` and `stdin` as text, others as JSON. Each part with a file name is a file, and its file name the path.",
    properties: {
      request: {
        description: "The whole request as JSON.",
        allOf: [{ $ref: "#/components/schemas/ExecutionRequest" }]
      },
      code: { type: "string", description: "The program, where there is no part `request`." },
      language: { type: "string", description: "What it is written in; python unless told." },
      image: { type: "string", description: "The image to run it on; the plain sandbox unless told." },
      file: {
        type: "array",
        description: "Files for the working directory, each under its own name; a part may have any name.",
        items: { type: "string", format: "binary" }
      }
    }
  }
}

const withForm = (body: { readonly content: object }) => ({
  ...body,
  content: { ...body.content, "multipart/form-data": form }
})

/** What HttpApi has no words for: the key is optional, and so is a header; two answers have one; there are two bodies. */
export const completed = (operation: Record<string, unknown>) => {
  const responses = operation.responses as Record<string, object>
  return {
    ...operation,
    requestBody: withForm(operation.requestBody as { readonly content: object }),
    security: [...(operation.security as ReadonlyArray<object>), {}],
    parameters: [...(operation.parameters as ReadonlyArray<object>), idempotencyKey],
    responses: {
      ...responses,
      429: { ...responses[429], headers: retryAfter },
      503: { ...responses[503], headers: retryAfter }
    }
  }
}

/** The same result, told while it comes about. */
const orEvents = (operation: Record<string, unknown>) => {
  const described = completed(operation)
  const responses = described.responses as Readonly<Record<number, { readonly content?: object }>>
  const events = { "text/event-stream": { schema: { type: "string" } } }
  const ok = { ...responses[200], content: { ...responses[200]?.content, ...events } }
  return { ...described, responses: { ...responses, 200: ok } }
}

const execute = HttpApiEndpoint.post("execute", "/api/execute")
  .setPayload(Payload)
  .addSuccess(ResultBody)
  .addError(ExecutionRefused.answers)
  .addError(ExecutionRefused.answer(502))
  .middleware(CallerAuthentication)
  .annotate(OpenApi.Transform, orEvents)
  .annotate(OpenApi.Summary, "Run a program in a fresh sandbox")
  .annotate(
    OpenApi.Description,
    "Answers 200 with a result whenever the code ran, whatever came of it. Every other answer has the same shape, with `success` false and an `error`. Hanging up ends the execution, unless it has an idempotency key. With `Accept: text/event-stream` the same is told as server-sent events while it happens, as by `GET /api/executions/{executionId}/events`, which reads on after a lost connection."
  )

/** What callers use. */
export const ExecuteApi = HttpApiGroup.make("execute", { topLevel: true }).add(execute)
