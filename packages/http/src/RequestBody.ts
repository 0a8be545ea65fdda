import { InvalidRequest, RequestTooLarge } from "@bulkhead/domain"
import type { HttpServerRequest } from "@effect/platform"
import { Chunk, Effect, Stream } from "effect"
import { freshId } from "./Refusals.js"

const field = "body"

const malformed = (message: string) =>
  Effect.flatMap(
    freshId,
    (executionId) => new InvalidRequest({ executionId, field, message: `${field}: ${message}` })
  )

const notJson = Effect.suspend(() => malformed("expected JSON in UTF-8"))

const tooLarge = (largest: number) =>
  Effect.flatMap(freshId, (executionId) => {
    const message = `${field}: expected at most ${largest} bytes`
    return new RequestTooLarge({ executionId, field, message })
  })

/** Bytes of a body that is too large which are read nevertheless: who sends no more than these gets the response. */
const mostDrained = 64 * 1024 * 1024

interface Read {
  readonly size: number
  readonly kept: Chunk.Chunk<Uint8Array>
}

const nothing: Read = { size: 0, kept: Chunk.empty() }

/** Reads a body of at most so many bytes. What is beyond them is not kept. */
const bytes = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, largest: number) {
  const announced = Number(request.headers["content-length"]) || 0
  const read = yield* Stream.runFoldWhile(
    request.stream,
    nothing,
    ({ size }) => size <= largest + mostDrained,
    ({ kept, size }: Read, chunk): Read => {
      const grown = size + chunk.length
      const isKept = Math.max(grown, announced) <= largest
      return { size: grown, kept: isKept ? Chunk.append(kept, chunk) : Chunk.empty() }
    }
    // A request may have no body, or be broken off.
  ).pipe(Effect.catchAll(() => notJson))
  return Math.max(read.size, announced) > largest ? yield* tooLarge(largest) : Buffer.concat([...read.kept])
})

const utf8 = new TextDecoder("utf-8", { fatal: true })

const parse = (body: Uint8Array) =>
  Effect.try((): unknown => JSON.parse(utf8.decode(body))).pipe(Effect.catchAll(() => notJson))

/** The JSON value of a request's body, not validated. */
export const json = Effect.fn("RequestBody.json")(function* (
  request: HttpServerRequest.HttpServerRequest,
  largest: number
) {
  // A browser sends this content type to another site only after a CORS preflight, so no web page can run code here.
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    return yield* malformed("expected the content type application/json")
  }
  return yield* parse(yield* bytes(request, largest))
})
