import { type ArtifactApi, type BulkheadApi, errorBody, NotFound, Reader } from "@bulkhead/api"
import { ArtifactStore, type StoredArtifact } from "@bulkhead/artifacts"
import { type Artifact, ExecutionId, executionError } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Option, Schema, Stream } from "effect"
import * as Connection from "../Connection.js"
import * as Handlers from "../Handlers.js"
import * as Refusals from "../Refusals.js"
import { etagOf, headersOf } from "./ArtifactHeaders.js"
import * as ByteRange from "./ByteRange.js"

// The same for an unknown execution, an unknown name, and another user's artifact.
const absent = new NotFound({ error: executionError("NOT_FOUND", "There is no such artifact") })

const unreadable = Refusals.unreadable("The artifact")

/** What the execution's result says of an artifact, if the caller may read it. */
const find = Effect.fnUntraced(function* (executionId: string, name: string) {
  if (!Schema.is(ExecutionId)(executionId)) return yield* absent
  const { getExecution } = yield* SandboxService
  const { mayRead } = yield* Reader
  const { result, userId } = yield* getExecution(executionId).pipe(
    Effect.catchTags({ ExecutionNotFound: () => absent, StoreFailure: unreadable })
  )
  const artifact = result?.artifacts.find((artifact) => artifact.name === name)
  if (artifact === undefined || !mayRead(userId)) return yield* absent
  return { executionId, artifact }
})

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
const cutOnFailure = (
  request: HttpServerRequest.HttpServerRequest,
  content: StoredArtifact["content"]
): StoredArtifact["content"] =>
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
  const range = rangeOf(request, artifact)
  if (range._tag === "Unsatisfiable") return yield* notSatisfiable(artifact)
  const isPart = range._tag === "Part"
  const { first, last } = isPart ? range : { first: 0, last: artifact.size - 1 }
  const length = last - first + 1
  const { content, mediaType } = yield* open(executionId, artifact, { offset: first, length })
  return HttpServerResponse.stream(cutOnFailure(request, content), {
    status: isPart ? 206 : 200,
    contentType: mediaType,
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
      return handlers.handleRaw("read", ({ path, request }) => Effect.provide(answer(request, path), context))
    })
  )

/** Sends the files that programs left, in an HttpApi that has `ArtifactApi`. */
export const layer = Handlers.of<typeof ArtifactApi>()(build)
