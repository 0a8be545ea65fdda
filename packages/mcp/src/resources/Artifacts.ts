import { ArtifactStore, type ArtifactStoreFailure } from "@bulkhead/artifacts"
import { type Artifact, type ExecutionSummary, executionError } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { Effect, Option, Schema, Stream } from "effect"
import type { Caller } from "../Caller.js"
import * as JsonRpc from "../JsonRpc.js"
import * as OwnExecutions from "../OwnExecutions.js"
import * as ArtifactUri from "./ArtifactUri.js"

/** Bytes of the largest artifact that is read as a resource, whole and in memory. */
const largest = 1_048_576

/** Executions whose artifacts one page of the list has. */
const executionsOfPage = 20

const templates = [
  {
    uriTemplate: ArtifactUri.template,
    name: "artifact",
    title: "A file that a program left",
    description: `A file that a program of yours left in $SANDBOX_OUTPUT_DIR, up to ${largest} bytes, as text or base64.`
  }
]

/** `resources/templates/list`. */
export const listTemplates = Effect.succeed({ resourceTemplates: templates })

const resourceOf = (executionId: string, { mediaType, name, size }: Artifact) => ({
  uri: ArtifactUri.of(executionId, name),
  name,
  mimeType: mediaType,
  size
})

/** The artifacts of a result, as links in it. */
export const linksTo = (executionId: string, artifacts: ReadonlyArray<Artifact>) =>
  artifacts.map((artifact) => ({ type: "resource_link" as const, ...resourceOf(executionId, artifact) }))

const readPage = JsonRpc.params(Schema.Struct({ cursor: JsonRpc.optional(Schema.NonEmptyString) }))

const resourcesOf = ({ executionId, userId }: ExecutionSummary) =>
  OwnExecutions.find(executionId, userId).pipe(
    Effect.map(({ result }) =>
      (result?.artifacts ?? []).map((artifact) => resourceOf(executionId, artifact))
    ),
    // It may be forgotten while the list is made.
    Effect.catchTag("ExecutionNotFound", () => Effect.succeed([]))
  )

/** `resources/list`: what the caller's executions left, those of the latest first. */
export const list = Effect.fn("Artifacts.list")(function* (params: unknown, caller: Caller) {
  const { cursor } = yield* readPage(params)
  const { listExecutions } = yield* SandboxService
  const { items, nextCursor } = yield* Effect.catchTag(
    listExecutions({
      userId: caller.userId,
      state: "ended",
      limit: executionsOfPage,
      ...(cursor === undefined ? {} : { cursor })
    }),
    "StoreFailure",
    OwnExecutions.unreadable
  )
  const resources = (yield* Effect.forEach(items, resourcesOf)).flat()
  return { resources, ...(nextCursor === undefined ? {} : { nextCursor }) }
})

const absent = (uri: string) =>
  new JsonRpc.RpcFailure({
    code: JsonRpc.codes.resourceNotFound,
    message: "Resource not found",
    data: { uri: uri.slice(0, 512) }
  })

const tooLarge = ({ size }: Artifact, executionId: string) =>
  JsonRpc.invalidParams(
    `uri: expected an artifact of at most ${largest} bytes, this one has ${size}; ` +
      `GET /api/executions/${executionId}/artifacts/ and its name sends it whole`
  )

const unreadable = (failure: ArtifactStoreFailure) =>
  Effect.zipRight(
    Effect.logError("An artifact cannot be read", failure),
    JsonRpc.refused(executionError("RECORD_UNAVAILABLE", "The artifact cannot be read at present"))
  )

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const isTextual = (mediaType: string) =>
  /^text\/|[/+](json|xml|yaml)\b|javascript|; charset=utf-8$/i.test(mediaType)

/** Text where it is said to be and is; else base64. */
const contentsOf = (uri: string, mimeType: string, bytes: Uint8Array) => {
  const text = isTextual(mimeType)
    ? Effect.option(Effect.try(() => utf8.decode(bytes)))
    : Effect.succeed(Option.none<string>())
  return Effect.map(text, (found) =>
    Option.match(found, {
      onNone: () => ({ uri, mimeType, blob: Buffer.from(bytes).toString("base64") }),
      onSome: (text) => ({ uri, mimeType, text })
    })
  )
}

const readUri = JsonRpc.params(Schema.Struct({ uri: Schema.String }))

/** `resources/read`: an artifact of the caller's own. */
export const read = Effect.fn("Artifacts.read")(function* (params: unknown, caller: Caller) {
  const { uri } = yield* readUri(params)
  const { executionId, name } = yield* Effect.mapError(ArtifactUri.parse(uri), () => absent(uri))
  const record = yield* Effect.catchTag(
    OwnExecutions.find(executionId, caller.userId),
    "ExecutionNotFound",
    () => absent(uri)
  )
  const artifact = record.result?.artifacts.find((each) => each.name === name)
  if (artifact === undefined) return yield* absent(uri)
  if (artifact.size > largest) return yield* tooLarge(artifact, executionId)
  const store = yield* ArtifactStore
  const bytes = yield* Effect.scoped(
    Effect.flatMap(store.open(record.executionId, name, { offset: 0, length: artifact.size }), (found) =>
      Option.match(found, {
        onNone: () => Effect.succeedNone,
        onSome: ({ content }) => Effect.asSome(Stream.runCollect(content))
      })
    )
  ).pipe(Effect.catchTag("ArtifactStoreFailure", unreadable))
  if (Option.isNone(bytes)) return yield* absent(uri)
  return { contents: [yield* contentsOf(uri, artifact.mediaType, Buffer.concat([...bytes.value]))] }
})
