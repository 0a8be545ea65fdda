import { ByteRange } from "@bulkhead/domain"
import { Clock, Effect, Option, type Scope, Sink, Stream } from "effect"
import type { SandboxRecord, SandboxTable } from "../ControlPlane/SandboxTable.js"
import * as FileContent from "../Guest/FileContent.js"
import type { GuestEntry } from "../Guest/GuestEntry.js"
import { EnvdUnauthenticated, GuestFileError } from "../HostErrors.js"
import * as Answer from "../Http/Answer.js"
import type { HttpRequest } from "../Http/HttpRequest.js"
import * as Multipart from "../Http/Multipart.js"
import type { Route } from "../Http/Routes.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as EnvdRequest from "./EnvdRequest.js"
import * as FileUrl from "./FileUrl.js"

const statuses: Record<GuestFileError["kind"], number> = {
  not_found: 404,
  already_exists: 409,
  invalid_argument: 400,
  permission_denied: 403,
  no_space: 507,
  too_large: 413,
  unavailable: 502,
  internal: 500
}

const invalid = (message: string) => new GuestFileError({ kind: "invalid_argument", message })
const unreadable = ({ message }: { readonly message: string }) => invalid(message)

const badSignature = new EnvdUnauthenticated({ message: "invalid signature" })
const expired = new EnvdUnauthenticated({ message: "signature is already expired" })

/** The sandbox whose token a URL is signed with. A URL names no sandbox, so all are tried where no header names one. */
const signedSandbox = (
  sandboxes: SandboxTable,
  request: HttpRequest,
  url: FileUrl.FileUrl,
  operation: FileUrl.Operation
) =>
  Effect.gen(function* () {
    const sandboxId = EnvdRequest.sandboxId(request)
    const isSigned = (record: SandboxRecord) => FileUrl.isSigned(url, operation, record.accessToken)
    const record = sandboxId === "" ? sandboxes.all().find(isSigned) : sandboxes.find(sandboxId)
    if (record === undefined) return yield* sandboxId === "" ? badSignature : sandboxes.gone(sandboxId)
    if (EnvdRequest.hasToken(request, record)) return record
    if (!isSigned(record)) return yield* badSignature
    if (FileUrl.expiresAt(url) < (yield* Clock.currentTimeMillis)) return yield* expired
    return record
  })

/** Which file of which sandbox a request is for. */
interface Target {
  readonly guest: SandboxRecord["guest"]
  readonly user: GuestUser
  readonly path: string
}

type Transfer = (
  target: Target,
  request: HttpRequest
) => Effect.Effect<Answer.Answer, GuestFileError, Scope.Scope>

const attachment = (path: string) =>
  `inline; filename*=UTF-8''${encodeURIComponent(path.split("/").pop() ?? "")}`

/** A condition never holds: this host tells nothing by which a client could know a version of a file. */
const rangeOf = (request: HttpRequest, size: number) =>
  ByteRange.parse(request.header("if-range") === "" ? request.header("range") : "", size)

const notSatisfiable = (size: number) =>
  Answer.json(
    416,
    { code: 416, message: `range must be bytes within the file's ${size}` },
    { "content-range": `bytes */${size}` }
  )

/** The range of a file that the request asks for, or all of it. */
const downloadSized = (
  { content, size }: FileContent.FileReader,
  request: HttpRequest,
  headers: Answer.Answer["headers"]
) =>
  Effect.gen(function* () {
    const range = rangeOf(request, size)
    if (range._tag === "Unsatisfiable") return notSatisfiable(size)
    if (range._tag === "Whole") {
      const pull = yield* Stream.toPull(content)
      return Answer.inPieces(200, { ...headers, "content-length": size }, Answer.fromPull(pull))
    }
    const { first, last } = range
    const pull = yield* Stream.toPull(FileContent.part(content, first, last))
    const place = { "content-length": last - first + 1, "content-range": `bytes ${first}-${last}/${size}` }
    return Answer.inPieces(206, { ...headers, ...place }, Answer.fromPull(pull))
  })

const download: Transfer = ({ guest, path, user }, request) =>
  Effect.gen(function* () {
    const file = yield* FileContent.read(guest, user, path)
    const headers = {
      "accept-ranges": "bytes",
      "content-type": "application/octet-stream",
      "content-disposition": attachment(path)
    }
    if (file.size > 0) return yield* downloadSized(file, request, headers)
    // Empty, or one of those that only tell their size when read.
    const [first, rest] = yield* Stream.peel(file.content, Sink.head<Uint8Array>())
    if (Option.isNone(first)) return Answer.whole(200, headers, new Uint8Array(0))
    const pull = yield* Stream.toPull(Stream.concat(Stream.make(first.value), rest))
    return Answer.inPieces(200, headers, Answer.fromPull(pull))
  })

const gunzip = (sent: Stream.Stream<Uint8Array, GuestFileError>): Stream.Stream<Uint8Array, GuestFileError> =>
  Stream.fromReadableStream(
    () => Stream.toReadableStream(sent).pipeThrough(new DecompressionStream("gzip")),
    () => invalid("the request body is not whole gzip")
  )

const decoded = (request: HttpRequest): Stream.Stream<Uint8Array, GuestFileError> => {
  const sent = Stream.mapError(request.bytes, unreadable)
  const encoding = request.header("content-encoding")
  if (encoding === "" || encoding === "identity") return sent
  if (encoding === "gzip") return gunzip(sent)
  return Stream.fail(invalid(`content encoding ${encoding} is not supported`))
}

const METADATA = "x-metadata-"

/** The body is the file. */
const uploadBody = ({ guest, path, user }: Target, request: HttpRequest) =>
  Effect.gen(function* () {
    if (path === "") return yield* invalid("the path is missing")
    const file = yield* FileContent.write(guest, user, path, request.headersAfter(METADATA))
    yield* Stream.runForEach(decoded(request), file.write)
    return [yield* file.close]
  })

type NextEvent = Effect.Effect<Multipart.MultipartEvent, GuestFileError>

const skipPart = (next: NextEvent): Effect.Effect<void, GuestFileError> =>
  Effect.flatMap(next, ({ _tag }) => (_tag === "PartBytes" ? skipPart(next) : Effect.void))

const writePart = (next: NextEvent, file: FileContent.FileWriter): Effect.Effect<void, GuestFileError> =>
  Effect.flatMap(next, (event) =>
    event._tag === "PartBytes" ? Effect.zipRight(file.write(event.bytes), writePart(next, file)) : Effect.void
  )

/** Each part that is named "file" is a file; without a path in the request it says itself which. */
const uploadForm = ({ guest, path, user }: Target, request: HttpRequest) =>
  Effect.gen(function* () {
    const next = Effect.mapError(Multipart.reader(request), unreadable)
    const metadata = request.headersAfter(METADATA)
    const written = new Map<string, GuestEntry>()
    for (let event = yield* next; event._tag === "PartStart"; event = yield* next) {
      if (event.name !== "file") {
        yield* skipPart(next)
        continue
      }
      const place = path === "" ? Option.getOrElse(event.filename, () => "") : path
      if (place === "") return yield* invalid("neither the request nor the part says which file it is")
      if (written.has(place)) return yield* invalid(`only one file of a request can be written to '${place}'`)
      const write = Effect.gen(function* () {
        const file = yield* FileContent.write(guest, user, place, metadata)
        yield* writePart(next, file)
        return yield* file.close
      })
      written.set(place, yield* Effect.scoped(write))
    }
    return [...written.values()]
  })

const uploaded = ({ metadata, name, path }: GuestEntry) => ({
  name,
  path,
  type: "file",
  ...(Object.keys(metadata).length === 0 ? {} : { metadata })
})

const uploadOfType = (target: Target, request: HttpRequest) => {
  const type = request.header("content-type").toLowerCase().replace(/;.*/s, "").trim()
  if (type.startsWith("multipart/")) return uploadForm(target, request)
  if (type === "application/octet-stream") return uploadBody(target, request)
  return invalid("content-type must be multipart/form-data or application/octet-stream")
}

const upload: Transfer = (target, request) =>
  Effect.map(uploadOfType(target, request), (entries) => Answer.json(200, entries.map(uploaded)))

const refusal = (code: number, message: string) => Answer.json(code, { code, message })

/** envd's plain HTTP routes: files, and liveness. */
export const routes = (sandboxes: SandboxTable, users: ReadonlyArray<GuestUser>): ReadonlyArray<Route> => {
  const route = (method: Route["method"], operation: FileUrl.Operation, transfer: Transfer): Route => ({
    method,
    path: "/files",
    handler: (request) =>
      Effect.gen(function* () {
        const url = FileUrl.parse(request.query)
        const { guest } = yield* Option.isNone(url.signature)
          ? EnvdRequest.authorizedSandbox(sandboxes, request)
          : signedSandbox(sandboxes, request, url, operation)
        const user = yield* EnvdRequest.userNamed(url.username, users)
        return yield* transfer({ guest, user, path: url.path }, request)
      }).pipe(
        Effect.catchTags({
          GuestFileError: ({ kind, message }) => Effect.succeed(refusal(statuses[kind], message)),
          EnvdUnauthenticated: ({ message }) => Effect.succeed(refusal(401, message)),
          SandboxGone: (error) => Effect.succeed(EnvdRequest.goneAnswer(error))
        })
      )
  })
  return [
    route("GET", "read", download),
    route("POST", "write", upload),
    {
      method: "GET",
      path: "/health",
      handler: (request) =>
        EnvdRequest.namedSandbox(sandboxes, request).pipe(
          Effect.match({ onFailure: EnvdRequest.goneAnswer, onSuccess: () => Answer.empty(204) })
        )
    }
  ]
}
