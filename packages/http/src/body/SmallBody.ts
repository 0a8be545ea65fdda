import { BadRequest, ContentTooLarge, TooManyRequests, UnsupportedContent } from "@bulkhead/api"
import { executionError, type Refusal, refusalError } from "@bulkhead/domain"
import type { HttpServerRequest } from "@effect/platform"
import { Effect } from "effect"
import * as Refusals from "../Refusals.js"
import * as RequestBody from "./RequestBody.js"

/** Bytes; more than any body needs but that of an execution. */
const largest = 64 * 1024

/** What was sent is not of the contract's form. */
export const malformed = ({ message }: { readonly message: string }) =>
  new BadRequest({ error: executionError("INVALID_REQUEST", message) })

export type Refused = BadRequest | ContentTooLarge | TooManyRequests | UnsupportedContent

const refused = (refusal: Refusal): Effect.Effect<never, Refused> => {
  const error = refusalError(refusal)
  switch (refusal._tag) {
    case "RequestTooLarge":
      return new ContentTooLarge({ error })
    case "UnsupportedMediaType":
      return new UnsupportedContent({ error })
    case "SystemAtCapacity":
      return Effect.zipRight(Refusals.retryAfter(refusal.retryAfter), new TooManyRequests({ error }))
    default:
      return new BadRequest({ error })
  }
}

/** The JSON value of a small body, not validated; what is wrong with it is told in the short form of errors. */
export const json = (
  request: HttpServerRequest.HttpServerRequest,
  receive: RequestBody.ReadOptions["receive"],
  options: Pick<RequestBody.ReadOptions, "empty"> = {}
) => Effect.catchAll(RequestBody.json(request, { ...options, largest, receive }), refused)
