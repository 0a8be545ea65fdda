import { hash } from "node:crypto"
import {
  type ExecutionId,
  type ExecutionRequest,
  type FileId,
  InvalidRequest,
  lettersOfBase64,
  RecordUnavailable,
  RequestTooLarge,
  type UserId
} from "@bulkhead/domain"
import { Effect, Option } from "effect"
import type { LimitValues } from "../Limits.js"
import type { SandboxFile } from "../Sandboxes/SandboxProvider.js"
import { type HeldUpload, type UploadFailure, Uploads } from "../Uploads.js"

type InputFile = ExecutionRequest["files"][number]

/** The files that a request names by their ids, by these. */
export type HeldFiles = ReadonlyMap<FileId, HeldUpload>

const megabyte = 1_048_576

/** Bytes that base64 stands for. */
const bytesOfBase64 = (text: string) => {
  const padding = text.match(/=/g)?.length ?? 0
  return Math.floor(((lettersOfBase64(text) - padding) * 3) / 4)
}

const bytesOfContent = ({ content = "", encoding }: InputFile) =>
  encoding === "utf8" ? Buffer.byteLength(content) : bytesOfBase64(content)

const heldOf = (file: InputFile, held: HeldFiles) =>
  file.fileId === undefined ? undefined : held.get(file.fileId)

const bytesOf = (file: InputFile, held: HeldFiles) => heldOf(file, held)?.bytes ?? bytesOfContent(file)

const contentOf = ({ content = "", encoding }: InputFile) => Buffer.from(content, encoding)

/** A file as a sandbox takes it. */
export const toSandbox = (file: InputFile, held: HeldFiles): SandboxFile => ({
  path: file.path,
  content: heldOf(file, held)?.content ?? new Uint8Array(contentOf(file))
})

/** What tells a request's files from others': those that are named by an id, by their content. */
export const identityOf = (files: ExecutionRequest["files"], held: HeldFiles) =>
  files.map((file) => {
    const upload = heldOf(file, held)
    return upload === undefined ? file : { path: file.path, sha256: upload.sha256 }
  })

/** As many files as an event names one by one. */
const mostNamed = 50

/** What an event says of a request's files. */
export const describe = ({ files }: ExecutionRequest, held: HeldFiles) => ({
  files: files.length,
  fileBytes: files.reduce((sum, file) => sum + bytesOf(file, held), 0),
  ...(files.length > 0 && {
    fileList: files.slice(0, mostNamed).map((file) => ({
      path: file.path,
      bytes: bytesOf(file, held),
      sha256: heldOf(file, held)?.sha256 ?? hash("sha256", contentOf(file))
    }))
  })
})

/** The same for an unknown id, another user's file, and one whose time is over. */
const notKept = (executionId: ExecutionId, index: number) => {
  const field = `files.${index}.fileId`
  const message = `${field}: expected the id of a file of this user's that is kept; it may have expired`
  return new InvalidRequest({ executionId, field, message })
}

const storeRecovery = 5

const unreadable = (executionId: ExecutionId) => (failure: UploadFailure) =>
  Effect.zipRight(
    Effect.logError("A file that was sent before cannot be read", failure),
    new RecordUnavailable({
      executionId,
      message: "A file that was sent before cannot be read at present",
      retryAfter: storeRecovery
    })
  )

/** Sees to it that the files which a request names by an id stay until the scope closes; refuses what is too much. */
export const hold = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  userId: UserId,
  { files }: ExecutionRequest,
  { maxUploadMB }: LimitValues
) {
  const uploads = yield* Uploads
  const held = new Map<FileId, HeldUpload>()
  for (const [index, { fileId }] of files.entries()) {
    if (fileId === undefined || held.has(fileId)) continue
    const found = yield* Effect.catchAll(uploads.hold(userId, fileId), unreadable(executionId))
    if (Option.isNone(found)) return yield* notKept(executionId, index)
    held.set(fileId, found.value)
  }
  const bytes = files.reduce((sum, file) => sum + bytesOf(file, held), 0)
  if (bytes <= maxUploadMB * megabyte) return held as HeldFiles
  const message = `files: expected at most ${maxUploadMB} MB in all, got ${bytes} bytes`
  return yield* new RequestTooLarge({ executionId, field: "files", message })
})
