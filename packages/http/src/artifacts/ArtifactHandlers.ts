import { type ArtifactApi, type BulkheadApi, errorBody, NotFound } from "@bulkhead/api"
import { ArtifactStore } from "@bulkhead/artifacts"
import { type Artifact, ByteRange, type ExecutionId, executionError } from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Option, Stream } from "effect"
import * as Connection from "../Connection.js"
import * as Known from "../executions/Known.js"
import * as Handlers from "../Handlers.js"
import * as Query from "../Query.js"
import * as Refusals from "../Refusals.js"
import * as RequestPath from "../RequestPath.js"
import { etagOf, headersOf, unchangedHeaders, zipHeaders } from "./ArtifactHeaders.js"
import * as ArtifactZip from "./ArtifactZip.js"

const none = (message: string) => new NotFound({ error: executionError("NOT_FOUND", message) })

// The same for an unknown execution, an unknown name, and another user's artifact.
const absent = none("There is no such artifact")

const withoutResult = none("The execution has not ended, or its result is no longer kept")

const unreadable = Refusals.unreadable("The artifact")

/** What the execution's result says of an artifact, if the caller may read it. */
const find = Effect.fnUntraced(function* (id: string, name: string) {
  const { executionId, result } = yield* Effect.catchTags(Known.own(id), {
    ExecutionNotFound: () => absent,
    StoreFailure: unreadable
  })
  const artifact = result?.artifacts.find((artifact) => artifact.name === name)
  return artifact === undefined ? yield* absent : { executionId, artifact }
})

/** An execution of the reader's that has ended. */
const findEnded = Effect.fnUntraced(function* (id: string) {
  yield* Query.none
  const {
    endedAt = 0,
    executionId,
    result
  } = yield* Effect.catchTags(Known.own(id), {
    ExecutionNotFound: Known.notFound,
    StoreFailure: Known.unreadable
  })
  return result === undefined ? yield* withoutResult : { artifacts: result.artifacts, endedAt, executionId }
})

/** Each with its address, which is below that of the list. */
const list = Effect.fnUntraced(function* (
  { url }: HttpServerRequest.HttpServerRequest,
  path: { readonly executionId: string }
) {
  const { artifacts } = yield* findEnded(path.executionId)
  const own = RequestPath.of(url).replace(/\/+$/, "")
  return {
    artifacts: artifacts.map((artifact) => ({
      ...artifact,
      url: `${own}/${encodeURIComponent(artifact.name)}`
    }))
  }
})

/** All files of an execution. Each is looked for before the first byte is sent, and opened when it is its turn. */
const zip = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  path: { readonly executionId: string }
) {
  const { artifacts, endedAt, executionId } = yield* findEnded(path.executionId)
  const entries = yield* Effect.forEach(artifacts, (artifact) =>
    Effect.map(
      open(executionId, artifact, { offset: 0, length: artifact.size }),
      ({ content }): ArtifactZip.Entry => ({ name: artifact.name, size: artifact.size, endedAt, content })
    )
  )
  return HttpServerResponse.stream(cutOnFailure(request, ArtifactZip.stream(entries)), {
    contentType: "application/zip",
    headers: { ...zipHeaders(executionId), "content-length": ArtifactZip.length(entries) }
  })
})

/** Whether the client has the file already: `If-None-Match` names it, alone or among others, or any. */
const isKnownBy = ({ headers }: HttpServerRequest.HttpServerRequest, artifact: Artifact) =>
  (headers["if-none-match"] ?? "")
    .split(",")
    .map((tag) => tag.trim())
    .some((tag) => tag === "*" || tag.replace(/^W\//, "") === etagOf(artifact))

/** A range counts only in a GET, and with `If-Range` only for the file that the client already knows. */
const rangeOf = ({ headers, method }: HttpServerRequest.HttpServerRequest, artifact: Artifact) => {
  const ifRange = headers["if-range"]
  const counts = method === "GET" && (ifRange === undefined || ifRange === etagOf(artifact))
  return ByteRange.parse(counts ? headers.range : undefined, artifact.size)
}

const notSatisfiable = ({ size }: Artifact) =>
  HttpServerResponse.json(
    errorBody(executionError("INVALID_REQUEST", `Range: expected bytes within the file's ${size}`)),
    { status: 416, headers: { "content-range": `bytes */${size}` } }
  ).pipe(Effect.orDie)

/** Cuts the connection when a file cannot be read to its end, so that no client takes the part for the whole. */
const cutOnFailure = <E>(
  request: HttpServerRequest.HttpServerRequest,
  content: Stream.Stream<Uint8Array, E>
): Stream.Stream<Uint8Array, E> =>
  Stream.tapErrorCause(content, (cause) =>
    Effect.zipRight(Effect.logError("An artifact cannot be read to its end", cause), Connection.cut(request))
  )

const open = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  { name, size }: Artifact,
  range: { readonly offset: number; readonly length: number }
) {
  const store = yield* ArtifactStore
  const found = yield* Effect.catchAll(store.open(executionId, name, range), unreadable)
  if (Option.isNone(found)) return yield* absent
  return found.value.size === size
    ? found.value
    : yield* unreadable(new Error(`expected ${size} bytes, found ${found.value.size}`))
})

const answer = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  path: { readonly executionId: string; readonly name: string }
) {
  const { artifact, executionId } = yield* find(path.executionId, path.name)
  if (isKnownBy(request, artifact))
    return HttpServerResponse.empty({ status: 304, headers: unchangedHeaders(artifact) })
  const range = rangeOf(request, artifact)
  if (range._tag === "Unsatisfiable") return yield* notSatisfiable(artifact)
  const isPart = range._tag === "Part"
  const { first, last } = isPart ? range : { first: 0, last: artifact.size - 1 }
  const length = last - first + 1
  const { content } = yield* open(executionId, artifact, { offset: first, length })
  return HttpServerResponse.stream(cutOnFailure(request, content), {
    status: isPart ? 206 : 200,
    contentType: artifact.mediaType,
    headers: {
      ...headersOf(artifact),
      // The option `contentLength` would leave out a length of 0.
      "content-length": String(length),
      ...(isPart && { "content-range": `bytes ${first}-${last}/${artifact.size}` })
    }
  })
})

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "artifacts", (handlers) =>
    Effect.gen(function* () {
      const context = yield* Effect.context<SandboxService | ArtifactStore>()
      return handlers
        .handle("list", ({ path, request }) => Effect.provide(list(request, path), context))
        .handleRaw("zip", ({ path, request }) => Effect.provide(zip(request, path), context))
        .handleRaw("read", ({ path, request }) => Effect.provide(answer(request, path), context))
    })
  )

/** Sends the files that programs left, in an HttpApi that has `ArtifactApi`. */
export const layer = Handlers.of<typeof ArtifactApi>()(build)
