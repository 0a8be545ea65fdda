import {
  type ExecutionId,
  ExecutionRequest,
  type FileId,
  flawOfPath,
  InvalidRequest,
  type LimitValues,
  RequestTooLarge,
  shownName
} from "@bulkhead/domain"
import { type StagedUpload, Uploads } from "@bulkhead/sandbox"
import type { HttpServerRequest } from "@effect/platform"
import { Effect, Option, Predicate, Stream } from "effect"
import * as Connection from "../Connection.js"
import * as Multipart from "./Multipart.js"
import * as ReceivedText from "./ReceivedText.js"
import * as RequestBody from "./RequestBody.js"
import * as UploadRefusals from "./UploadRefusals.js"

export interface FormOptions extends Omit<ReceivedText.TextOptions, "name"> {
  readonly limits: Pick<LimitValues, "maxUploadFiles" | "maxUploadMB">
}

/** A part that was a file. */
export interface FilePart {
  /** As the part names it: its file name, or else its own name. */
  readonly path: string
  readonly upload: StagedUpload
}

/** What was in a form. */
export interface Form {
  /** The parts that were no files, by their names. */
  readonly fields: ReadonlyMap<string, unknown>
  readonly files: ReadonlyArray<FilePart>
}

const megabyte = 1_048_576

/** More than a request has fields. */
const mostFields = 32

/** Bytes for the boundaries and the headers of a part, on average. */
const frameBytes = 2048

/** Fields whose text is what they mean. */
const textFields = new Set(["code", "language", "image", "userId", "outputDir", "idempotencyKey", "stdin"])

/** The others are JSON. What is none of a request's is refused by its name, whatever its text is. */
const jsonFields = new Set(
  ["request", ...Object.keys(ExecutionRequest.fields)].filter((name) => !textFields.has(name))
)

/** Most bytes of a form. */
const largestForm = ({ largest, limits }: FormOptions) =>
  limits.maxUploadMB * megabyte + largest + (limits.maxUploadFiles + mostFields) * frameBytes

/** The body as it comes, within bounds of its own. */
const bounded = (
  request: HttpServerRequest.HttpServerRequest,
  executionId: ExecutionId,
  largest: number
): Stream.Stream<Uint8Array, InvalidRequest | RequestTooLarge | Multipart.Malformed> => {
  let size = 0
  let pieces = 0
  return Connection.body(request).pipe(
    Stream.mapError(() => new Multipart.Malformed({ message: "it was broken off" })),
    Stream.tap((piece): Effect.Effect<void, InvalidRequest | RequestTooLarge> => {
      size += piece.length
      pieces++
      if (size > largest) return tooLarge(executionId, largest)
      return pieces > ReceivedText.mostPieces(size) ? ReceivedText.tooManyPieces(executionId) : Effect.void
    })
  )
}

const tooLarge = (executionId: ExecutionId, largest: number) =>
  new RequestTooLarge({ executionId, field: "body", message: `body: expected at most ${largest} bytes` })

/** Takes in the parts of a form one after the other: files to the disk, the rest into memory. */
const makeParts = (executionId: ExecutionId, options: FormOptions) => {
  const { limits, userId } = options
  const fields = new Map<string, unknown>()
  const files: Array<FilePart> = []
  let parts = 0
  let fileBytes = 0

  const invalid = (field: string, message: string) =>
    new InvalidRequest({ executionId, field, message: `${field}: ${message}` })

  const filesTooLarge = new RequestTooLarge({
    executionId,
    field: "files",
    message: `files: expected at most ${limits.maxUploadMB} MB in all`
  })

  const count = (piece: Uint8Array) => {
    fileBytes += piece.length
    return fileBytes > limits.maxUploadMB * megabyte ? filesTooLarge : Effect.void
  }

  const addFile = Effect.fnUntraced(function* <E>(path: string, bytes: Stream.Stream<Uint8Array, E>) {
    if (files.length >= limits.maxUploadFiles)
      return yield* invalid("files", `expected at most ${limits.maxUploadFiles} files`)
    const flaw = flawOfPath(path)
    if (flaw !== undefined)
      return yield* invalid(`part ${parts}`, `expected a file name that is a relative path: ${flaw}`)
    const { stage } = yield* Uploads
    const upload = yield* Effect.catchIf(
      stage(Option.fromNullable(userId), Stream.tap(bytes, count)),
      (error) => Predicate.isTagged(error, "UploadFailure"),
      UploadRefusals.of(executionId)
    )
    files.push({ path, upload })
  })

  const addField = Effect.fnUntraced(function* <E>(name: string, bytes: Stream.Stream<Uint8Array, E>) {
    if (fields.size >= mostFields)
      return yield* invalid(`part ${parts}`, `expected at most ${mostFields} fields`)
    if (fields.has(name)) return yield* invalid(shownName(name), "is there twice")
    const { bounds, ...others } = options
    const isText = !jsonFields.has(name) || bounds === undefined
    const text = ReceivedText.make(executionId, {
      ...others,
      name: shownName(name),
      ...(isText ? {} : { bounds })
    })
    const value = Effect.zipRight(Stream.runForEach(bytes, text.push), isText ? text.text : text.json)
    fields.set(name, yield* Effect.scoped(value))
  })

  const add = <E>(name: string, filename: Option.Option<string>, bytes: Stream.Stream<Uint8Array, E>) => {
    parts++
    return Option.match(filename, {
      onSome: (path) => addFile(path === "" ? name : path, bytes),
      onNone: () => addField(name, bytes)
    })
  }

  return { add, form: { fields, files } satisfies Form }
}

/**
 * Reads a form. Its files go to the disk as they come, and are gone with the scope unless somebody holds or keeps them
 * by then; so they are when it is broken off.
 */
export const read = Effect.fn("FormBody.read")(function* (
  request: HttpServerRequest.HttpServerRequest,
  executionId: ExecutionId,
  options: FormOptions
) {
  const largest = largestForm(options)
  if (RequestBody.announcedBy(request) > largest) return yield* tooLarge(executionId, largest)
  const { add, form } = makeParts(executionId, options)
  const body = bounded(request, executionId, largest)
  const readAll = Effect.gen(function* () {
    const next = yield* Multipart.reader(request.headers["content-type"] ?? "", body)
    for (let event = yield* next; event._tag === "PartStart"; event = yield* next)
      yield* add(event.name, event.filename, Multipart.partBytes(next))
    return form as Form
  })
  return yield* Effect.catchTag(
    readAll,
    "Malformed",
    ({ message }) =>
      new InvalidRequest({
        executionId,
        field: "body",
        message: `body: expected multipart/form-data, but ${message}`
      })
  )
})

/** Reads a body that is a file by itself; like `read`. */
export const readFile = Effect.fn("FormBody.readFile")(function* (
  request: HttpServerRequest.HttpServerRequest,
  executionId: ExecutionId,
  { limits, userId }: FormOptions
) {
  const largest = limits.maxUploadMB * megabyte
  if (RequestBody.announcedBy(request) > largest) return yield* tooLarge(executionId, largest)
  const { stage } = yield* Uploads
  return yield* Effect.catchTags(stage(Option.fromNullable(userId), bounded(request, executionId, largest)), {
    UploadFailure: UploadRefusals.of(executionId),
    Malformed: ({ message }) =>
      new InvalidRequest({ executionId, field: "body", message: `body: expected a file, but ${message}` })
  })
})

/** The files of a form as a request names them. */
export const filesOf = ({ files }: Form): ReadonlyArray<{ readonly path: string; readonly fileId: FileId }> =>
  files.map(({ path, upload }) => ({ path, fileId: upload.fileId }))
