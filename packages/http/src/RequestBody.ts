import { InvalidRequest, RequestTooLarge } from "@bulkhead/domain"
import type { HttpServerRequest } from "@effect/platform"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Effect } from "effect"
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

/** Reads a body of at most so many bytes. A larger one is drained, so that the client gets the response. */
const bytes = (request: HttpServerRequest.HttpServerRequest, largest: number) =>
  Effect.async<Uint8Array, InvalidRequest | RequestTooLarge>((resume) => {
    const source = NodeHttpServerRequest.toIncomingMessage(request)
    const chunks: Array<Uint8Array> = []
    let size = Number(request.headers["content-length"] ?? 0) > largest ? Number.POSITIVE_INFINITY : 0
    const keep = (chunk: Uint8Array) => {
      size += chunk.length
      if (size > largest) refuse()
      else chunks.push(chunk)
    }
    const refuse = () => {
      source.off("data", keep)
      source.resume()
      resume(tooLarge(largest))
    }
    source.on("error", () => resume(malformed("could not be read")))
    if (size > largest) return refuse()
    source.on("data", keep)
    source.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
  })

const utf8 = new TextDecoder("utf-8", { fatal: true })

const parse = (body: Uint8Array) =>
  Effect.try((): unknown => JSON.parse(utf8.decode(body))).pipe(
    Effect.catchAll(() => malformed("expected JSON in UTF-8"))
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
  return yield* parse(yield* bytes(request, largest))
})
