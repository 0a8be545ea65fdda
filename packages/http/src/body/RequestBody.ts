import { isAscii } from "node:buffer"
import {
  cut,
  type ExecutionId,
  InvalidRequest,
  type QuotaExceeded,
  RequestTooLarge,
  type SystemAtCapacity,
  UnsupportedMediaType,
  type UserId
} from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import type { HttpServerRequest } from "@effect/platform"
import { Context, Effect, Stream } from "effect"
import * as Connection from "../Connection.js"
import { freshId } from "../Refusals.js"
import { JsonScanner } from "./JsonScanner.js"

/** More than any request of the contract needs. */
const bounds = { depth: 16, elements: 8192 }

/** Each piece costs work of its own, however small; a network brings more than a thousand bytes at once. */
const mostPieces = (size: number) => 1024 + size / 256

/** Bytes of a body that takes a millisecond and more to parse. */
const large = 256 * 1024

export interface ReadOptions {
  /** Most bytes of the body. */
  readonly largest: number
  /** Counts the bytes while the body is received. */
  readonly receive: Context.Tag.Service<SandboxService>["receive"]
  /** Who sends it, if that is known. */
  readonly userId?: UserId | undefined
}

/** Large bodies are parsed one after the other, so that others get their turns: the process has one event loop. */
class OneAtATime extends Context.Reference<OneAtATime>()("@bulkhead/http/RequestBody/OneAtATime", {
  defaultValue: () => Effect.unsafeMakeSemaphore(1)
}) {}

type Refused = InvalidRequest | RequestTooLarge | UnsupportedMediaType | QuotaExceeded | SystemAtCapacity

const notJson = (executionId: ExecutionId, reason: string) =>
  new InvalidRequest({ executionId, field: "body", message: `body: expected JSON in UTF-8, but ${reason}` })

const tooLarge = (executionId: ExecutionId, largest: number) =>
  new RequestTooLarge({ executionId, field: "body", message: `body: expected at most ${largest} bytes` })

const tooManyPieces = (executionId: ExecutionId) =>
  new InvalidRequest({
    executionId,
    field: "body",
    message: "body: expected pieces of 256 bytes or more, but it comes in very many smaller ones"
  })

const announcedBy = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  Number(headers["content-length"]) || 0

/** The pieces of a body that is within its bounds. What is not is noticed before more of it is kept. */
const pieces = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  executionId: ExecutionId,
  { largest, receive, userId }: ReadOptions
) {
  const announced = announcedBy(request)
  if (announced > largest) return yield* tooLarge(executionId, largest)
  // Nothing is held for bytes that have not come, but what cannot fit is refused before it comes.
  yield* Effect.scoped(receive({ executionId, userId }, announced))
  const scanner = new JsonScanner(bounds)
  const kept: Array<Uint8Array> = []
  let size = 0
  const keep = (piece: Uint8Array) =>
    Effect.gen(function* () {
      size += piece.length
      if (size > largest) return yield* tooLarge(executionId, largest)
      if (kept.length > mostPieces(size)) return yield* tooManyPieces(executionId)
      yield* receive({ executionId, userId }, piece.length)
      const flaw = scanner.push(piece)
      if (flaw !== undefined) return yield* new InvalidRequest({ executionId, ...flaw })
      kept.push(piece)
    })
  // A request may have no body, or be broken off.
  const brokenOff = notJson(executionId, announced === 0 ? "it is empty" : "it was broken off")
  yield* Connection.body(request).pipe(
    Stream.mapError(() => brokenOff),
    Stream.runForEach(keep)
  )
  if (size === 0) return yield* notJson(executionId, "it is empty")
  const flaw = scanner.end()
  return flaw === undefined ? kept : yield* new InvalidRequest({ executionId, ...flaw })
})

const utf8 = new TextDecoder("utf-8", { fatal: true })

const decode = (executionId: ExecutionId, body: Uint8Array) =>
  Effect.catchAll(
    Effect.try(() => utf8.decode(body)),
    () => notJson(executionId, "it is not UTF-8")
  )

/** What the parser says without the piece of the text that it shows, which may be a secret. */
const complaintOf = (error: unknown) =>
  String((error as Error).message)
    .replace(/, (\.\.\.)?".*$/s, "")
    .replace(/^".*" /s, "it ")

const parse = (executionId: ExecutionId, text: string) =>
  Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => notJson(executionId, `the parser says: ${cut(complaintOf(error))}`)
  })

const checkKind = (request: HttpServerRequest.HttpServerRequest, executionId: ExecutionId) => {
  const unsupported = (message: string) => new UnsupportedMediaType({ executionId, message })
  // A browser sends this content type to another site only after a CORS preflight, so no web page can run code here.
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    return unsupported("content-type: expected application/json")
  }
  return /^(identity)?$/i.test((request.headers["content-encoding"] ?? "").trim())
    ? Effect.void
    : unsupported("content-encoding: expected none")
}

const valueOf = Effect.fnUntraced(function* (
  body: Buffer,
  executionId: ExecutionId,
  { receive, userId }: ReadOptions
) {
  // JavaScript may keep two bytes for each.
  if (!isAscii(body)) yield* receive({ executionId, userId }, body.length)
  return yield* parse(executionId, yield* decode(executionId, body))
})

/** The JSON value of a request's body, not validated. */
export const json = Effect.fn("RequestBody.json")(function* (
  request: HttpServerRequest.HttpServerRequest,
  options: ReadOptions
): Effect.fn.Return<unknown, Refused> {
  const executionId = yield* freshId
  yield* checkKind(request, executionId)
  const received = Effect.gen(function* () {
    const body = Buffer.concat(yield* pieces(request, executionId, options))
    const parsed = valueOf(body, executionId, options)
    if (body.length < large) return yield* parsed
    const { withPermits } = yield* OneAtATime
    // The event loop turns between two of them.
    return yield* withPermits(1)(Effect.delay(parsed, 0))
  })
  return yield* Effect.scoped(received)
})
