import { cut, InvalidRequest, RequestTooLarge } from "@bulkhead/domain"
import type { HttpServerRequest } from "@effect/platform"
import { Chunk, Effect, Stream } from "effect"
import { freshId } from "./Refusals.js"

const field = "body"

const malformed = (message: string) =>
  Effect.flatMap(
    freshId,
    (executionId) => new InvalidRequest({ executionId, field, message: `${field}: ${message}` })
  )

const notJson = (reason: string) => malformed(`expected JSON in UTF-8, but ${reason}`)

const empty = notJson("it is empty")

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
  ).pipe(Effect.catchAll(() => (announced === 0 ? empty : notJson("it was broken off"))))
  return Math.max(read.size, announced) > largest ? yield* tooLarge(largest) : Buffer.concat([...read.kept])
})

const utf8 = new TextDecoder("utf-8", { fatal: true })

const decode = (body: Uint8Array) =>
  Effect.catchAll(
    Effect.try(() => utf8.decode(body)),
    () => notJson("it is not UTF-8")
  )

/** The parser says where the mistake is, and shows a few characters around it. */
const parse = (text: string) =>
  Effect.try({ try: (): unknown => JSON.parse(text), catch: (error) => cut((error as Error).message) }).pipe(
    Effect.catchAll((mistake) => notJson(`the parser says: ${mistake}`))
  )

/** The JSON value of a request's body, not validated. */
export const json = Effect.fn("RequestBody.json")(function* (
  request: HttpServerRequest.HttpServerRequest,
  largest: number
) {
  // A browser sends this content type to another site only after a CORS preflight, so no web page can run code here.
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    return yield* malformed("expected the content type application/json")
  }
  const encoding = request.headers["content-encoding"] ?? "identity"
  if (!/^(identity)?$/i.test(encoding.trim())) {
    return yield* malformed(`expected no content encoding, got '${cut(encoding)}'`)
  }
  const body = yield* bytes(request, largest)
  return body.length === 0 ? yield* empty : yield* parse(yield* decode(body))
})
