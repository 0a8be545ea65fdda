import { Artifact } from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { BadRequest, NotFound, RangeNotSatisfiable, StoreUnavailable } from "./ApiErrors.js"
import { ReaderAuthentication } from "./Authentication.js"
import { anExecution } from "./Executions.js"
import * as Operations from "./Operations.js"
import { pathText } from "./PathText.js"

/** A name may be a path. */
const Name = pathText({
  description: "As the result names it. A name with slashes may have them as they are, or as %2F."
})

const optionalText = (description: string) =>
  Schema.optionalWith(Schema.String.annotations({ description }), { exact: true })

const rangeHeaders = Schema.Struct({
  range: optionalText("One range of bytes: `bytes=a-b`, `bytes=a-` or `bytes=-n`. Any other is passed over."),
  "if-range": optionalText("The range counts only for the file that has this `ETag`.")
})

const header = (description: string) => ({ description, schema: { type: "string" } })

const answerHeaders = {
  "Content-Disposition": header("Always an attachment, with the last part of the name."),
  ETag: header("The SHA-256 of the whole file, in hex.")
}

const contentRange = { "Content-Range": header("Which bytes of how many.") }

/** Not among `rangeHeaders`: what the client gives as a file would be one or none. */
const ifNoneMatch = {
  name: "if-none-match",
  in: "header",
  required: false,
  schema: { type: "string" },
  description: "Nothing is sent to who has the file: an `ETag`, several with commas between them, or `*`."
}

/** What HttpApi has no words for: the key is optional, an answer may have no file, and answers have headers. */
const completed = (operation: Operations.Operation) => {
  const responses = operation.responses as Record<string, object>
  return {
    ...Operations.withoutKey(operation),
    parameters: [...(operation.parameters as ReadonlyArray<object>), ifNoneMatch],
    responses: {
      ...responses,
      200: { ...responses[200], headers: answerHeaders },
      206: { ...responses[206], headers: { ...answerHeaders, ...contentRange } },
      304: {
        description: "The file is one that `If-None-Match` names",
        headers: { ETag: answerHeaders.ETag }
      },
      416: { ...responses[416], headers: contentRange }
    }
  }
}

const bytes = (description: string) => HttpApiSchema.Uint8Array().annotations({ description })

const read = HttpApiEndpoint.get("read", "/api/executions/:executionId/artifacts/:name")
  .setPath(Schema.Struct({ ...anExecution.fields, name: Name }))
  .setHeaders(rangeHeaders)
  .addSuccess(bytes("The file"))
  .addSuccess(bytes("The range of the file that was asked for"), { status: 206 })
  .addError(NotFound.answer)
  .addError(RangeNotSatisfiable.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, completed)
  .annotate(OpenApi.Summary, "A file that a program left, as long as its result is kept")
  .annotate(
    OpenApi.Description,
    "For whoever's execution it is, and for the operator. Whoever else asks is told that there is no such file. It is sent as an attachment with a content policy under which no browser runs it."
  )

const ListedArtifact = Schema.Struct({
  ...Artifact.fields,
  url: Schema.String.annotations({
    description: "Where it can be read: a path of this server.",
    examples: ["/api/executions/exec_1/artifacts/plots%2Fa.png"]
  })
}).annotations({ identifier: "ListedArtifact" })

/** The files that one execution left. */
export const ArtifactList = Schema.Struct({
  artifacts: Schema.Array(ListedArtifact).annotations({ description: "Each with its address." })
}).annotations({
  identifier: "ArtifactList",
  description: "In the order of the result"
})

const list = HttpApiEndpoint.get("list", "/api/executions/:executionId/artifacts")
  .setPath(anExecution)
  .addSuccess(ArtifactList)
  .addError(NotFound.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "The files that a program left, as long as its result is kept")
  .annotate(
    OpenApi.Description,
    "404 for an execution that has not ended, whose result is no longer kept, or that is somebody else's."
  )

const zip = HttpApiEndpoint.get("zip", "/api/executions/:executionId/artifacts.zip")
  .setPath(anExecution)
  .addSuccess(
    HttpApiSchema.Uint8Array({ contentType: "application/zip" }).annotations({
      description: "All of them, stored and not compressed, in folders as their names say"
    })
  )
  .addError(NotFound.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "All files that a program left, as one zip")
  .annotate(
    OpenApi.Description,
    'Of a name, the characters that Windows takes in none (`< > : " | ? *`) become `_`; the connection is cut when a file cannot be read to its end. Who may is as for the list.'
  )

/** What programs leave. */
export const ArtifactApi = HttpApiGroup.make("artifacts")
  .add(list)
  .add(zip)
  .add(read)
  .addError(BadRequest.answer)
  .middleware(ReaderAuthentication)
