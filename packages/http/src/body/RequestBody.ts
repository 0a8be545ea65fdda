import {
  type ExecutionId,
  type InvalidRequest,
  type QuotaExceeded,
  type RequestTooLarge,
  type SystemAtCapacity,
  UnsupportedMediaType
} from "@bulkhead/domain"
import type { HttpServerRequest } from "@effect/platform"
import { Effect } from "effect"
import * as Connection from "../Connection.js"
import { freshId } from "../Refusals.js"
import type { Bounds } from "./JsonScanner.js"
import * as ReceivedText from "./ReceivedText.js"

/** More than any request of the contract needs that has no files. */
export const usualBounds: Bounds = { depth: 16, elements: 8192 }

export interface ReadOptions extends Omit<ReceivedText.TextOptions, "name"> {}

type Refused = InvalidRequest | RequestTooLarge | UnsupportedMediaType | QuotaExceeded | SystemAtCapacity

/** Bytes that a request says it has; 0: it does not say. */
export const announcedBy = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  Number(headers["content-length"]) || 0

/** The type of a body, without its parameters. */
export const kindOf = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  (headers["content-type"] ?? "").replace(/;.*$/s, "").trim().toLowerCase()

/**
 * Refuses a body of another kind. A browser sends `application/json` to another site only after a CORS preflight, so no
 * web page can run code here.
 */
export const checkKind = (
  request: HttpServerRequest.HttpServerRequest,
  executionId: ExecutionId,
  kinds: ReadonlyArray<string>
) => {
  const unsupported = (message: string) => new UnsupportedMediaType({ executionId, message })
  if (!kinds.includes(kindOf(request))) return unsupported(`content-type: expected ${kinds.join(" or ")}`)
  return /^(identity)?$/i.test((request.headers["content-encoding"] ?? "").trim())
    ? Effect.void
    : unsupported("content-encoding: expected none")
}

/** Receives a body that is JSON. What is not within its bounds is noticed before more of it is kept. */
const received = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  executionId: ExecutionId,
  options: ReadOptions
) {
  const { largest, receive, userId } = options
  const body = ReceivedText.make(executionId, { bounds: usualBounds, ...options, name: "body" })
  const announced = announcedBy(request)
  if (announced > largest) return yield* body.tooLarge
  // Nothing is held for bytes that have not come, but what cannot fit is refused before it comes.
  yield* Effect.scoped(receive({ executionId, userId }, announced))
  // A request may have no body, or be broken off.
  const brokenOff = body.broken(announced === 0 ? "it is empty" : "it was broken off")
  yield* Connection.forEachPiece(request, body.push, () => brokenOff)
  return yield* body.json
})

/** The JSON value of a request's body, not validated. */
export const json = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  options: ReadOptions
): Effect.fn.Return<unknown, Refused> {
  const executionId = yield* freshId
  yield* checkKind(request, executionId, ["application/json"])
  return yield* Effect.scoped(received(request, executionId, options))
})
