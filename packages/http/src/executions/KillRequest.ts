import { KillReason } from "@bulkhead/api"
import { faultOf } from "@bulkhead/domain"
import type { HttpServerRequest } from "@effect/platform"
import { Effect, Schema } from "effect"
import type * as RequestBody from "../body/RequestBody.js"
import * as SmallBody from "../body/SmallBody.js"

/** Who asks for the end of an execution, as its log and its result say it. */
export const ofOperator = "admin_request"
export const ofUser = "user_request"

/** What the log and the result say: first who asks, which nobody's reason can make something else of. */
export const by = (who: string, reason: string | undefined): string =>
  reason === undefined ? who : `${who}: ${reason}`

const decode = Schema.decodeUnknown(KillReason, { onExcessProperty: "error" })

/** Why an execution is to end. A request without a body gives no reason; many clients say of that too that it is JSON. */
export const reason = (
  request: HttpServerRequest.HttpServerRequest,
  receive: RequestBody.ReadOptions["receive"]
): Effect.Effect<string | undefined, SmallBody.Refused> => {
  if (request.headers["content-type"] === undefined) return Effect.succeed(undefined)
  return SmallBody.json(request, receive, { empty: {} }).pipe(
    Effect.flatMap((body) =>
      Effect.mapError(decode(body), (error) => SmallBody.malformed(faultOf(error, "body")))
    ),
    Effect.map(({ reason }) => reason)
  )
}
