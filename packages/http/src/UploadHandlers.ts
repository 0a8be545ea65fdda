import {
  BadRequest,
  type BulkheadApi,
  Caller,
  ContentTooLarge,
  Forbidden,
  NotFound,
  type StoreUnavailable,
  TooManyRequests,
  UnsupportedContent,
  type UploadApi
} from "@bulkhead/api"
import {
  anonymous,
  type ExecutionId,
  executionError,
  FileId,
  flawOfPath,
  InvalidRequest,
  type OwnedUpload,
  type Refusal,
  refusalError,
  type Upload,
  type UserId
} from "@bulkhead/domain"
import { SandboxService, type StagedUpload, Uploads } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest } from "@effect/platform"
import { Effect, Option, Schema } from "effect"
import * as FormBody from "./body/FormBody.js"
import * as RequestBody from "./body/RequestBody.js"
import * as UploadRefusals from "./body/UploadRefusals.js"
import * as Handlers from "./Handlers.js"
import * as Refusals from "./Refusals.js"

const refused = (
  refusal: Refusal
): Effect.Effect<
  never,
  BadRequest | ContentTooLarge | Forbidden | StoreUnavailable | TooManyRequests | UnsupportedContent
> => {
  const error = refusalError(refusal)
  switch (refusal._tag) {
    case "RequestTooLarge":
      return new ContentTooLarge({ error })
    case "UnsupportedMediaType":
      return new UnsupportedContent({ error })
    case "PermissionDenied":
      return new Forbidden({ error })
    case "SystemAtCapacity":
    case "QuotaExceeded":
      return Effect.zipRight(Refusals.retryAfter(refusal.retryAfter), new TooManyRequests({ error }))
    case "RecordUnavailable":
      return Refusals.unrecorded(refusal)
    default:
      return new BadRequest({ error })
  }
}

// The same for an unknown file and for another user's.
const absent = new NotFound({ error: executionError("NOT_FOUND", "There is no such file") })

const known = (fileId: string) => (Schema.is(FileId)(fileId) ? Effect.succeed(fileId) : absent)

/** Whose files are asked for: the key's user's, or without keys those of the user that is named. */
const ownerOf = (query: { readonly userId?: UserId }) =>
  Effect.map(Caller, ({ userId }) => Option.getOrElse(userId, () => query.userId ?? anonymous))

const shown = ({ userId: _, ...upload }: OwnedUpload): Upload => upload

const invalid = (executionId: ExecutionId, field: string, message: string) =>
  new InvalidRequest({ executionId, field, message: `${field}: ${message}` })

/** The one file that a form has. */
const inForm = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  executionId: ExecutionId,
  options: FormBody.FormOptions
) {
  const { fields, files } = yield* FormBody.read(request, executionId, {
    ...options,
    limits: { ...options.limits, maxUploadFiles: 1 }
  })
  const [file] = files
  if (file === undefined || fields.size > 0)
    return yield* invalid(executionId, "body", "expected one file, in a part with a file name")
  return { name: file.path, upload: file.upload }
})

const nameOf = (executionId: ExecutionId, name: string | undefined) => {
  if (name === undefined) return invalid(executionId, "name", "is missing, expected it in the query")
  const flaw = flawOfPath(name)
  return flaw === undefined
    ? Effect.succeed(name)
    : invalid(executionId, "name", `expected a relative path of plain names: ${flaw}`)
}

/** Bytes of the fields that a form may have beside its file: none is needed. */
const largestField = 1024

const received = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  userId: UserId,
  name: string | undefined
) {
  const executionId = yield* Refusals.freshId
  const { limits, receive } = yield* SandboxService
  yield* RequestBody.checkKind(request, executionId, ["application/octet-stream", "multipart/form-data"])
  const options = { limits: yield* limits, largest: largestField, receive, userId }
  const isForm = RequestBody.kindOf(request) === "multipart/form-data"
  const file: { readonly name: string; readonly upload: StagedUpload } = isForm
    ? yield* inForm(request, executionId, options)
    : {
        name: yield* nameOf(executionId, name),
        upload: yield* FormBody.readFile(request, executionId, options)
      }
  const kept = yield* Effect.catchAll(file.upload.keep(file.name, userId), UploadRefusals.of(executionId))
  return shown(kept)
})

const unremovable = Refusals.unchangeable("The files that were sent")

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "uploads", (handlers) =>
    Effect.gen(function* () {
      const service = yield* SandboxService
      const uploads = yield* Uploads
      return handlers
        .handle("keep", ({ request, urlParams }) =>
          Effect.flatMap(ownerOf(urlParams), (owner) => received(request, owner, urlParams.name)).pipe(
            Effect.catchAll(refused),
            Effect.provideService(SandboxService, service),
            Effect.provideService(Uploads, uploads),
            Effect.scoped
          )
        )
        .handle("list", ({ urlParams }) =>
          Effect.map(Effect.flatMap(ownerOf(urlParams), uploads.list), (files) => ({
            files: files.map(shown)
          }))
        )
        .handle("find", ({ path, urlParams }) =>
          Effect.gen(function* () {
            const found = yield* uploads.find(yield* ownerOf(urlParams), yield* known(path.fileId))
            return Option.isSome(found) ? shown(found.value) : yield* absent
          })
        )
        .handle("remove", ({ path, urlParams }) =>
          Effect.gen(function* () {
            const isRemoved = uploads.remove(yield* ownerOf(urlParams), yield* known(path.fileId))
            if (!(yield* Effect.catchAll(isRemoved, unremovable))) return yield* absent
            return { success: true as const }
          })
        )
    })
  )

/** Keeps the files that callers send, in an HttpApi that has `UploadApi`. */
export const layer = Handlers.of<typeof UploadApi>()(build)
