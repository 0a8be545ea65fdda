import { randomUUID } from "node:crypto"
import { StoreUnavailable } from "@bulkhead/api"
import {
  type ExecutionError,
  ExecutionId,
  type ExecutionResult,
  executionError,
  rejectedResult
} from "@bulkhead/domain"
import { HttpApp, HttpServerResponse } from "@effect/platform"
import { Cause, Effect } from "effect"

/** An id for a request that is refused before it reaches the service. */
export const freshId = Effect.sync(() => ExecutionId.make(`exec_${randomUUID().replaceAll("-", "")}`))

/** The result of a request that is refused before it reaches the service. */
export const refusedResult = (error: ExecutionError): Effect.Effect<ExecutionResult> =>
  Effect.map(freshId, (executionId) => rejectedResult(executionId, error))

/** Seconds after which a store that cannot be read may be there again. */
const storeRecovery = 5

/** Adds `Retry-After` to the response. */
export const retryAfter = (seconds: number) =>
  HttpApp.appendPreResponseHandler((_request, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", String(seconds)))
  )

/** What is asked for cannot be recorded at present. */
export const unrecorded = (refusal: { readonly message: string; readonly retryAfter: number }) =>
  Effect.zipRight(
    retryAfter(refusal.retryAfter),
    new StoreUnavailable({ error: executionError("RECORD_UNAVAILABLE", refusal.message) })
  )

/** Why, in words for everyone, and the cause for the operator alone. */
const unusable = (verb: string) => (what: string, reason?: string) => (cause: unknown) =>
  Effect.logError(`${what} cannot be ${verb}`, Cause.fail(cause)).pipe(
    Effect.zipRight(retryAfter(storeRecovery)),
    Effect.zipRight(
      new StoreUnavailable({
        error: executionError(
          "RECORD_UNAVAILABLE",
          [`${what} cannot be ${verb} at present`, reason].filter(Boolean).join(": ")
        )
      })
    )
  )

/** What is asked for cannot be read at present. */
export const unreadable = unusable("read")

/** What is to be changed cannot be at present. */
export const unchangeable = unusable("changed")
