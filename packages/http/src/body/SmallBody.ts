import { BadRequest, ContentTooLarge, TooManyRequests, UnsupportedContent } from "@bulkhead/api"
import { executionError, type Refusal, refusalError, shownName } from "@bulkhead/domain"
import { HttpServerRequest } from "@effect/platform"
import { Effect } from "effect"
import * as Refusals from "../Refusals.js"
import * as RequestBody from "./RequestBody.js"

/** Bytes; more than any body of the routes beside `POST /api/execute` needs. */
const largestBody = 64 * 1024

/** The request is not of the contract's form, as the message says. */
export const badRequest = ({ message }: { readonly message: string }) =>
  new BadRequest({ error: executionError("INVALID_REQUEST", message) })

const refused = (
  refusal: Refusal
): Effect.Effect<never, BadRequest | ContentTooLarge | TooManyRequests | UnsupportedContent> => {
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

/** The JSON of a body that is not an execution's. */
export const json = (
  request: HttpServerRequest.HttpServerRequest,
  receive: RequestBody.ReadOptions["receive"]
) => Effect.catchAll(RequestBody.json(request, { largest: largestBody, receive }), refused)

/** For routes without parameters. */
export const noQuery = Effect.gen(function* () {
  const [first] = Object.keys(yield* HttpServerRequest.ParsedSearchParams)
  if (first === undefined) return
  return yield* badRequest({ message: `${shownName(first)}: is unexpected, expected no parameters` })
})
