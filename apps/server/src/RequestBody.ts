import { InvalidRequest, RequestTooLarge } from "@bulkhead/domain"
import type { HttpServerRequest } from "@effect/platform"
import { NodeHttpServerRequest, NodeStream } from "@effect/platform-node"
import { Effect, Stream } from "effect"
import { freshId } from "./Refusals.js"

const field = "body"

const malformed = (message: string) =>
  Effect.flatMap(
    freshId,
    (executionId) => new InvalidRequest({ executionId, field, message: `${field}: ${message}` })
  )

const tooLarge = (largest: number) =>
  Effect.flatMap(freshId, (executionId) => {
    const message = `${field}: expected at most ${largest} bytes`
    return new RequestTooLarge({ executionId, field, message })
  })

/** Reads a body of at most so many bytes. Keeps nothing of a larger one, but lets it arrive, so that the answer can too. */
const bytes = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, largest: number) {
  const source = NodeHttpServerRequest.toIncomingMessage(request)
  const discardRest = Effect.sync(() => source.resume())
  if (Number(request.headers["content-length"] ?? 0) > largest) {
    yield* discardRest
    return yield* tooLarge(largest)
  }
  const chunks: Array<Uint8Array> = []
  let size = 0
  const keep = (chunk: Uint8Array) => {
    size += chunk.length
    return size > largest ? tooLarge(largest) : Effect.sync(() => chunks.push(chunk))
  }
  yield* NodeStream.fromReadable<"unreadable", Uint8Array>(
    () => source,
    () => "unreadable",
    { closeOnDone: false }
  ).pipe(
    Stream.runForEach(keep),
    Effect.catchIf(
      (error) => error === "unreadable",
      () => malformed("could not be read")
    ),
    Effect.tapError(() => discardRest)
  )
  return Buffer.concat(chunks)
})

const utf8 = new TextDecoder("utf-8", { fatal: true })

const parse = (body: Uint8Array) =>
  Effect.try((): unknown => JSON.parse(utf8.decode(body))).pipe(
    Effect.catchAll(() => malformed("expected JSON in UTF-8"))
  )

/** The JSON value in a request's body, whatever it is. */
export const json = Effect.fn("RequestBody.json")(function* (
  request: HttpServerRequest.HttpServerRequest,
  largest: number
) {
  // A page of a foreign site cannot send this content type unasked, so it cannot make a browser run code here.
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    return yield* malformed("expected the content type application/json")
  }
  return yield* parse(yield* bytes(request, largest))
})
