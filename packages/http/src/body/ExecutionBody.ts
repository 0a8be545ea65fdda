import { Caller, type RefusalStatus, refusalStatus } from "@bulkhead/api"
import {
  type ExecutionRequestInput,
  type ExecutionResult,
  InvalidRequest,
  type LimitValues,
  type Refusal,
  refusalError,
  rejectedResult,
  type UserId
} from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Option, Predicate } from "effect"
import { freshId } from "../Refusals.js"
import * as RequestBody from "./RequestBody.js"

/** JSON may need six bytes for one byte of code (`\u0000`); the rest is room for files. */
const bodyBytesPerCodeByte = 12

/** Bytes of the largest body that asks for an execution. */
export const largest = ({ maxCodeBytes }: Pick<LimitValues, "maxCodeBytes">) =>
  maxCodeBytes * bodyBytesPerCodeByte

const anotherKey = Effect.flatMap(
  freshId,
  (executionId) =>
    new InvalidRequest({
      executionId,
      field: "idempotencyKey",
      message: "idempotencyKey: expected no other key than the header Idempotency-Key has"
    })
)

/** The body, with the header's key if it has none itself. */
const withKey = (
  body: unknown,
  { headers }: HttpServerRequest.HttpServerRequest
): Effect.Effect<unknown, InvalidRequest> => {
  const key = headers["idempotency-key"]
  if (key === undefined || !Predicate.isReadonlyRecord(body)) return Effect.succeed(body)
  const idempotencyKey = body.idempotencyKey ?? key
  return idempotencyKey === key ? Effect.succeed({ ...body, idempotencyKey }) : anotherKey
}

/** What is asked for, and by whom. */
export interface Asked {
  /** Not validated: the service does that. */
  readonly input: ExecutionRequestInput
  readonly options: { readonly userId: UserId } | undefined
}

/** Reads a request to run code. */
export const read = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const service = yield* SandboxService
  const userId = Option.getOrUndefined((yield* Caller).userId)
  const body = yield* RequestBody.json(request, {
    largest: largest(yield* service.limits),
    receive: service.receive,
    userId
  })
  const asked: Asked = {
    input: (yield* withKey(body, request)) as ExecutionRequestInput,
    options: userId && { userId }
  }
  return asked
})

/** Answers with a result. */
export const respond = (
  status: 200 | RefusalStatus,
  result: ExecutionResult,
  headers?: Readonly<Record<string, string>>
) => Effect.orDie(HttpServerResponse.json(result, { status, ...(headers && { headers }) }))

/** Answers a request that was turned away. */
export const refuse = (refusal: Refusal) =>
  respond(
    refusalStatus(refusal),
    rejectedResult(refusal.executionId, refusalError(refusal)),
    "retryAfter" in refusal ? { "retry-after": String(refusal.retryAfter) } : undefined
  )
