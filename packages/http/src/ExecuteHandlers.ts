import {
  type BulkheadApi,
  Caller,
  type ExecuteApi,
  type RefusalStatus,
  refusalStatus,
  resultStatus
} from "@bulkhead/api"
import {
  type ExecutionRequestInput,
  type ExecutionResult,
  InvalidRequest,
  type Refusal,
  refusalError,
  rejectedResult
} from "@bulkhead/domain"
import { SandboxService, Uploads } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Option, Predicate } from "effect"
import * as ExecutionBody from "./body/ExecutionBody.js"
import * as Handlers from "./Handlers.js"
import { freshId } from "./Refusals.js"

const respond = (
  status: 200 | RefusalStatus,
  result: ExecutionResult,
  headers?: Readonly<Record<string, string>>
) => Effect.orDie(HttpServerResponse.json(result, { status, ...(headers && { headers }) }))

const refuse = (refusal: Refusal) =>
  respond(
    refusalStatus(refusal),
    rejectedResult(refusal.executionId, refusalError(refusal)),
    "retryAfter" in refusal ? { "retry-after": String(refusal.retryAfter) } : undefined
  )

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

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "execute", (handlers) =>
    Effect.gen(function* () {
      const service = yield* SandboxService
      const uploads = yield* Uploads
      const turn = yield* Effect.makeSemaphore(1)
      return handlers.handleRaw("execute", ({ request }) =>
        Effect.gen(function* () {
          const userId = Option.getOrUndefined((yield* Caller).userId)
          const result = yield* ExecutionBody.read(request, { service, userId, turn }).pipe(
            Effect.flatMap((body) => withKey(body, request)),
            // The service validates it.
            Effect.flatMap((body) => service.execute(body as ExecutionRequestInput, userId && { userId })),
            Effect.provideService(Uploads, uploads),
            Effect.scoped
          )
          return yield* respond(resultStatus(result), result)
        }).pipe(Effect.catchAll(refuse))
      )
    })
  )

/** Runs programs, in an HttpApi that has `ExecuteApi`. */
export const layer = Handlers.of<typeof ExecuteApi>()(build)
