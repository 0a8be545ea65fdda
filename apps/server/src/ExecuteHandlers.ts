import { BulkheadApi, Caller, type RefusalStatus, refusalStatus, resultStatus } from "@bulkhead/api"
import {
  type ExecutionRequestInput,
  type ExecutionResult,
  InvalidRequest,
  PermissionDenied,
  type Refusal,
  refusalError,
  rejectedResult
} from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { type Context, Effect, Option, Predicate } from "effect"
import { freshId } from "./Refusals.js"
import * as RequestBody from "./RequestBody.js"

/** JSON may write a byte of code as six (`\u0000`); the rest is for files. */
const bodyBytesPerCodeByte = 8

const respond = (
  status: 200 | RefusalStatus,
  result: ExecutionResult,
  headers?: Readonly<Record<string, string>>
) => HttpServerResponse.unsafeJson(result, { status, ...(headers && { headers }) })

const refuse = (refusal: Refusal) =>
  respond(
    refusalStatus(refusal),
    rejectedResult(refusal.executionId, refusalError(refusal)),
    "retryAfter" in refusal ? { "retry-after": String(refusal.retryAfter) } : undefined
  )

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

export const namesThisMachine = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  loopback.test(headers.host ?? "")

export const hostMessage = "Expected a Host header that names this machine: localhost, 127.0.0.1 or [::1]"

/** Where callers need no key, a page whose own name leads to this machine must not run code here (DNS rebinding). */
const checkHost = Effect.fnUntraced(function* (
  caller: Context.Tag.Service<typeof Caller>,
  request: HttpServerRequest.HttpServerRequest
) {
  if (Option.isSome(caller.userId) || namesThisMachine(request)) return
  return yield* new PermissionDenied({ executionId: yield* freshId, message: hostMessage })
})

const anotherKey = Effect.flatMap(
  freshId,
  (executionId) =>
    new InvalidRequest({
      executionId,
      field: "idempotencyKey",
      message: "idempotencyKey: expected no other key than the header Idempotency-Key has"
    })
)

/** The body, with the key from the header where it has none of its own. */
const withKey = (
  body: unknown,
  { headers }: HttpServerRequest.HttpServerRequest
): Effect.Effect<unknown, InvalidRequest> => {
  const key = headers["idempotency-key"]
  if (key === undefined || !Predicate.isReadonlyRecord(body)) return Effect.succeed(body)
  const { idempotencyKey = key } = body
  return idempotencyKey === key ? Effect.succeed({ ...body, idempotencyKey }) : anotherKey
}

const optionsOf = Option.match({
  onNone: () => undefined,
  onSome: <UserId>(userId: UserId) => ({ userId })
})

export const layer = HttpApiBuilder.group(BulkheadApi, "execute", (handlers) =>
  Effect.gen(function* () {
    const service = yield* SandboxService
    return handlers.handleRaw("execute", ({ request }) =>
      Effect.gen(function* () {
        const caller = yield* Caller
        yield* checkHost(caller, request)
        const { maxCodeBytes } = yield* service.limits
        const body = yield* withKey(
          yield* RequestBody.json(request, maxCodeBytes * bodyBytesPerCodeByte),
          request
        )
        // The service checks the form of whatever it is given.
        const result = yield* service.execute(body as ExecutionRequestInput, optionsOf(caller.userId))
        return respond(resultStatus(result), result)
      }).pipe(Effect.catchAll((refusal) => Effect.succeed(refuse(refusal))))
    )
  })
)
