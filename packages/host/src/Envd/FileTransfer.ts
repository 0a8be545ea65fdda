import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Chunk, Clock, Effect, Option, Sink, Stream } from "effect"
import type { SandboxRecord, SandboxTable } from "../ControlPlane/SandboxTable.js"
import * as GuestFiles from "../Guest/GuestFiles.js"
import { GuestFileError, SandboxGone } from "../HostErrors.js"
import type { Isolation } from "../Isolation/Isolation.js"
import * as Secrets from "../Secrets.js"
import * as EnvdRequest from "./EnvdRequest.js"

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

const fail = (kind: GuestFileError["kind"], message: string) => new GuestFileError({ kind, message })
const unreadable = () => fail("invalid_argument", "the request body could not be read")

interface Asked {
  readonly path: string
  readonly username: string
  readonly signature: string | null
  readonly expiration: string | null
}

const parseQuery = (url: string): Asked => {
  const at = url.indexOf("?")
  const query = new URLSearchParams(at < 0 ? "" : url.slice(at + 1))
  return {
    path: query.get("path") ?? "",
    username: query.get("username") ?? "",
    signature: query.get("signature"),
    expiration: query.get("signature_expiration")
  }
}

const signatureFor = (asked: Asked, operation: string, record: SandboxRecord) =>
  Secrets.signature([
    ...[asked.path, operation, asked.username, record.accessToken],
    ...(asked.expiration === null ? [] : [asked.expiration])
  ])

/** The sandbox of a request: named by its header, or, for a signed URL without one, the one whose token signs so. */
const resolve = (sandboxes: SandboxTable, asked: Asked, operation: "read" | "write") =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (asked.signature === null) return yield* EnvdRequest.authorizedSandbox(sandboxes)
    const id = request.headers["e2b-sandbox-id"]
    const signed = (record: SandboxRecord) =>
      Secrets.equal(asked.signature ?? "", signatureFor(asked, operation, record))
    const record = id === undefined ? sandboxes.all().find(signed) : sandboxes.find(id)
    if (record === undefined)
      return yield* id === undefined ? badSignature : new SandboxGone({ sandboxId: id })
    if (EnvdRequest.hasToken(request.headers, record)) return record
    if (!signed(record)) return yield* badSignature
    const now = yield* Clock.currentTimeMillis
    if (asked.expiration !== null && Number(asked.expiration) * 1000 < now)
      return yield* new EnvdRequest.EnvdUnauthenticated({ message: "signature is already expired" })
    return record
  })

const badSignature = new EnvdRequest.EnvdUnauthenticated({ message: "invalid signature" })

const attachment = (path: string) =>
  `inline; filename*=UTF-8''${encodeURIComponent(path.split("/").pop() ?? "")}`

const download = (sandboxes: SandboxTable, isolation: Isolation) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const asked = parseQuery(request.url)
    const { guest } = yield* resolve(sandboxes, asked, "read")
    const user = yield* EnvdRequest.userNamed(asked.username, isolation.users)
    const file = yield* GuestFiles.read(guest, user, asked.path)
    const headers = { "content-disposition": attachment(asked.path) }
    const contentType = "application/octet-stream"
    if (file.size > 0)
      return HttpServerResponse.stream(file.content, { headers, contentType, contentLength: file.size })
    // Empty, or one of those that only tell their size when read.
    const [first, rest] = yield* Stream.peel(file.content, Sink.head<Uint8Array>())
    return Option.match(first, {
      onNone: () => HttpServerResponse.uint8Array(new Uint8Array(0), { headers, contentType }),
      onSome: (bytes) =>
        HttpServerResponse.stream(Stream.concat(Stream.make(bytes), rest), { headers, contentType })
    })
  })

interface Upload {
  readonly path: string
  readonly content: Stream.Stream<Uint8Array, GuestFileError>
}

const parts = (
  request: HttpServerRequest.HttpServerRequest,
  path: string
): Stream.Stream<Upload, GuestFileError> =>
  request.multipartStream.pipe(
    Stream.mapError(unreadable),
    Stream.filterMap((part) =>
      part._tag === "File" && part.key === "file"
        ? Option.some({
            path: path === "" ? part.name : path,
            content: Stream.mapError(part.content, unreadable)
          })
        : Option.none()
    )
  )

const single = (request: HttpServerRequest.HttpServerRequest, path: string) =>
  Effect.gen(function* () {
    if (path === "") return yield* fail("invalid_argument", "the path is missing")
    const sent = Stream.mapError(request.stream, unreadable)
    const encoding = request.headers["content-encoding"]
    if (encoding === undefined || encoding === "identity")
      return Stream.make<[Upload]>({ path, content: sent })
    if (encoding === "gzip") return Stream.make<[Upload]>({ path, content: gunzip(sent) })
    return yield* fail("invalid_argument", `content encoding ${encoding} is not supported`)
  })

const gunzip = (sent: Stream.Stream<Uint8Array, GuestFileError>): Stream.Stream<Uint8Array, GuestFileError> =>
  Stream.fromReadableStream(
    () => Stream.toReadableStream(sent).pipeThrough(new DecompressionStream("gzip")),
    unreadable
  )

const upload = (sandboxes: SandboxTable, isolation: Isolation) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const asked = parseQuery(request.url)
    const { guest } = yield* resolve(sandboxes, asked, "write")
    const user = yield* EnvdRequest.userNamed(asked.username, isolation.users)
    const isForm = (request.headers["content-type"] ?? "").startsWith("multipart/form-data")
    const uploads = isForm ? parts(request, asked.path) : yield* single(request, asked.path)
    const written = yield* Stream.runCollect(
      Stream.mapEffect(uploads, ({ path, content }) => GuestFiles.write(guest, user, path, content))
    )
    return HttpServerResponse.unsafeJson(
      Chunk.toReadonlyArray(written).map(({ name, path }) => ({ name, path, type: "file" }))
    )
  })

const answerFileError = (error: GuestFileError) =>
  Effect.succeed(
    HttpServerResponse.unsafeJson(
      { code: statuses[error.kind], message: error.message },
      { status: statuses[error.kind] }
    )
  )

const answerUnauthenticated = (error: EnvdRequest.EnvdUnauthenticated) =>
  Effect.succeed(HttpServerResponse.unsafeJson({ code: 401, message: error.message }, { status: 401 }))

/** envd's plain HTTP routes: files whole, and liveness. */
export const make = (sandboxes: SandboxTable, isolation: Isolation) => {
  const answered = {
    GuestFileError: answerFileError,
    SandboxGone: EnvdRequest.answer.SandboxGone,
    EnvdUnauthenticated: answerUnauthenticated
  }
  return HttpRouter.empty.pipe(
    HttpRouter.get("/files", Effect.catchTags(download(sandboxes, isolation), answered)),
    HttpRouter.post("/files", Effect.catchTags(upload(sandboxes, isolation), answered)),
    HttpRouter.get(
      "/health",
      Effect.as(EnvdRequest.sandboxOf(sandboxes), HttpServerResponse.empty({ status: 204 })).pipe(
        Effect.catchTags({ SandboxGone: EnvdRequest.answer.SandboxGone })
      )
    )
  )
}
