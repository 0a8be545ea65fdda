import {
  AdminAuthentication,
  BulkheadApi,
  CallerAuthentication,
  errorBody,
  Forbidden,
  NotFound,
  Reader,
  ReaderAuthentication,
  StoreUnavailable,
  Unauthorized
} from "@bulkhead/api"
import { ArtifactStore, type StoredArtifact } from "@bulkhead/artifacts"
import { type Artifact, ExecutionId, executionError, type UserId } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import {
  HttpApiBuilder,
  HttpApp,
  HttpMiddleware,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Cause, Effect, Layer, Option, Schema, Stream } from "effect"
import * as ByteRange from "./ByteRange.js"
import { hostMessage, namesThisMachine } from "./ExecuteHandlers.js"

const all = { mayRead: () => true }
const onlyOf = (user: UserId) => ({ mayRead: (owner: UserId) => owner === user })

const unauthorized = new Unauthorized({
  error: executionError(
    "PERMISSION_DENIED",
    "Expected 'Authorization: Bearer' and the key of the execution's user, or the admin token"
  )
})

const forbidden = new Forbidden({ error: executionError("PERMISSION_DENIED", hostMessage) })

const anybodyHere = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
  namesThisMachine(request) ? Effect.succeed(all) : forbidden
)

/** A check that is not the last one says nothing in the answer. */
const quietly = Effect.locally(HttpApp.currentPreResponseHandlers, Option.none())

/** Operators read everything, callers what is theirs; where nobody has a key, everybody on this machine reads. */
export const authentication = Layer.effect(
  ReaderAuthentication,
  Effect.gen(function* () {
    const { adminToken } = yield* AdminAuthentication
    const { callerKey } = yield* CallerAuthentication
    return {
      adminToken: (token) => Effect.as(quietly(adminToken(token)), all),
      callerKey: (token) =>
        callerKey(token).pipe(
          Effect.mapError(() => unauthorized),
          Effect.flatMap(({ userId }) =>
            Option.match(userId, {
              onNone: () => anybodyHere,
              onSome: (user) => Effect.succeed(onlyOf(user))
            })
          )
        )
    }
  })
)

// The same whatever is missing, and for what is somebody else's.
const absent = new NotFound({ error: executionError("INVALID_REQUEST", "There is no such artifact") })

const unreadable = (cause: unknown) =>
  Effect.zipRight(
    Effect.logError("An artifact cannot be read", Cause.fail(cause)),
    new StoreUnavailable({
      error: executionError("INTERNAL_ERROR", "The artifact cannot be read at present")
    })
  )

/** What the result of an execution says of an artifact, for whoever may read it. */
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

/** For clients that know no other names (RFC 6266), whose quoted text has neither escapes nor percents that all understand alike. */
const plainName = (name: string) => name.replaceAll(/[^\x20-\x7e]|["\\%]/gu, "_")
const encodedName = (name: string) =>
  encodeURIComponent(name).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const dispositionOf = (path: string) => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  return `attachment; filename="${plainName(name)}"; filename*=UTF-8''${encodedName(name)}`
}

const etagOf = ({ sha256 }: Artifact) => `"${sha256}"`

/** Whatever a program wrote, no browser is to run it, nor to take it for something else. */
const headersOf = (artifact: Artifact) => ({
  "content-disposition": dispositionOf(artifact.name),
  "x-content-type-options": "nosniff",
  "content-security-policy": "sandbox; default-src 'none'",
  "accept-ranges": "bytes",
  etag: etagOf(artifact),
  "cache-control": "private, no-store"
})

/** Only of a GET, and only of the file the client has in mind. */
const rangeOf = ({ headers, method }: HttpServerRequest.HttpServerRequest, artifact: Artifact) => {
  const ifRange = headers["if-range"]
  const counts = method === "GET" && (ifRange === undefined || ifRange === etagOf(artifact))
  return ByteRange.parse(counts ? headers.range : undefined, artifact.size)
}

const notSatisfiable = ({ size }: Artifact) =>
  HttpServerResponse.unsafeJson(
    errorBody(executionError("INVALID_REQUEST", `Range: expected bytes within the file's ${size}`)),
    { status: 416, headers: { "content-range": `bytes */${size}` } }
  )

/** A file that breaks off must not look like one that is whole, so the connection breaks off as well. */
const breakingOff = (
  request: HttpServerRequest.HttpServerRequest,
  content: StoredArtifact["content"]
): StoredArtifact["content"] =>
  Stream.tapErrorCause(content, (cause) =>
    Effect.zipRight(
      Effect.logError("An artifact breaks off", cause),
      Effect.sync(() => NodeHttpServerRequest.toServerResponse(request).destroy())
    )
  )

const open = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  { name, size }: Artifact,
  range?: { readonly offset: number; readonly length: number }
) {
  const store = yield* ArtifactStore
  const found = yield* Effect.catchAll(store.open(executionId, name, range), unreadable)
  if (Option.isNone(found)) return yield* absent
  return found.value.size === size ? found.value : yield* unreadable(new Error(`it has not ${size} bytes`))
})

const answer = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  path: { readonly executionId: string; readonly name: string }
) {
  const { artifact, executionId } = yield* find(path.executionId, path.name)
  const range = rangeOf(request, artifact)
  if (range._tag === "Unsatisfiable") return notSatisfiable(artifact)
  const isPart = range._tag === "Part"
  const { first, last } = isPart ? range : { first: 0, last: artifact.size - 1 }
  const length = last - first + 1
  const { content, mediaType } = yield* open(executionId, artifact, { offset: first, length })
  return HttpServerResponse.stream(breakingOff(request, content), {
    status: isPart ? 206 : 200,
    contentType: mediaType,
    headers: {
      ...headersOf(artifact),
      // As the option `contentLength`, 0 would be left out.
      "content-length": String(length),
      ...(isPart && { "content-range": `bytes ${first}-${last}/${artifact.size}` })
    }
  })
})

export const layer = HttpApiBuilder.group(BulkheadApi, "artifacts", (handlers) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<SandboxService | ArtifactStore>()
    return handlers.handleRaw("read", ({ path, request }) => Effect.provide(answer(request, path), context))
  })
)

const withPath = /^(\/api\/executions\/[^/?#]+\/artifacts\/)([^?#]*[/;][^?#]*)(.*)$/s

/** A name may be a path: what divides an address is part of the name here, however it is written. */
export const pathAsName = HttpMiddleware.make((app) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const [, before, name, after] = withPath.exec(request.url) ?? []
    if (name === undefined) return app
    const url = `${before}${name.replaceAll(/[/;]/g, encodeURIComponent)}${after}`
    return Effect.provideService(app, HttpServerRequest.HttpServerRequest, request.modify({ url }))
  })
)
