import { Upload, UserId } from "@bulkhead/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import {
  BadRequest,
  ContentTooLarge,
  Forbidden,
  NotFound,
  StoreUnavailable,
  TooManyRequests,
  UnsupportedContent
} from "./ApiErrors.js"
import { CallerAuthentication } from "./Authentication.js"
import { done } from "./Executions.js"
import * as Operations from "./Operations.js"
import { pathText } from "./PathText.js"
import { query } from "./QueryParameters.js"

/** Whose files, where callers have no keys; a key says it otherwise. */
const owner = {
  userId: Schema.optionalWith(
    UserId.annotations({
      description: "Whose files, where the server has no keys; `anonymous` unless told. A key goes before it."
    }),
    { exact: true }
  )
}

// Not `FileId`: an id that cannot exist is unknown, not malformed.
const aFile = Schema.Struct({
  fileId: pathText({ description: "As the answer to sending it names it." })
})

export const UploadList = Schema.Struct({
  files: Schema.Array(Upload).annotations({ description: "Each that is still kept." })
}).annotations({
  identifier: "UploadList",
  description: "Oldest first"
})

export const Removed = Schema.Struct({ success: done }).annotations({
  identifier: "Removed",
  description: "No request can name the file any more"
})

const binary = { type: "string", format: "binary", description: "The file, with its name." }

/** What HttpApi has no words for: the key is optional, and the body is bytes. */
const withBody = (operation: Operations.Operation) => ({
  ...Operations.withoutKey(operation),
  requestBody: {
    required: true,
    content: {
      "application/octet-stream": { schema: binary },
      "multipart/form-data": {
        schema: { type: "object", properties: { file: binary }, required: ["file"] }
      }
    }
  }
})

const keep = HttpApiEndpoint.post("keep", "/api/files")
  .setUrlParams(
    query({
      ...owner,
      name: Schema.optionalWith(
        Schema.String.annotations({
          description: "What a body that is the file itself is called; in a form, its file says that."
        }),
        { exact: true }
      )
    })
  )
  .addSuccess(Upload.annotations({ description: "The file, under its id" }), { status: 201 })
  .addError(ContentTooLarge.answer)
  .addError(UnsupportedContent.answer)
  .addError(TooManyRequests.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, withBody)
  .annotate(OpenApi.Summary, "Send a file once, for requests that name it")
  .annotate(
    OpenApi.Description,
    "The body is the file, with `name` in the query, or a form with one file. It is kept until `expiresAt` (milliseconds since the epoch) or until it is deleted; requests name it as `{path, fileId}` in `files`."
  )

const list = HttpApiEndpoint.get("list", "/api/files")
  .setUrlParams(query(owner))
  .addSuccess(UploadList)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "The files that are kept for the caller")
  .annotate(OpenApi.Description, "Those that were sent by themselves, and not what came with a request.")

const find = HttpApiEndpoint.get("find", "/api/files/:fileId")
  .setPath(aFile)
  .setUrlParams(query(owner))
  .addSuccess(Upload.annotations({ description: "What is known of the file" }))
  .addError(NotFound.answer)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "One file that is kept")
  .annotate(OpenApi.Description, "404 for one whose time is over, and for another user's.")

const remove = HttpApiEndpoint.del("remove", "/api/files/:fileId")
  .setPath(aFile)
  .setUrlParams(query(owner))
  .addSuccess(Removed)
  .addError(NotFound.answer)
  .addError(StoreUnavailable.answer)
  .annotate(OpenApi.Transform, Operations.withoutKey)
  .annotate(OpenApi.Summary, "Delete a file")
  .annotate(OpenApi.Description, "Executions that use it keep it until they end.")

/** Files that callers send before the requests that name them. */
export const UploadApi = HttpApiGroup.make("uploads")
  .add(keep)
  .add(list)
  .add(find)
  .add(remove)
  .addError(BadRequest.answer)
  .addError(Forbidden.answer)
  .middleware(CallerAuthentication)
