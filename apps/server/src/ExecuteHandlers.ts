import { BulkheadApi, Caller, type RefusalStatus, refusalStatus, resultStatus } from "@bulkhead/api"
import {
  type ExecutionRequestInput,
  type ExecutionResult,
  PermissionDenied,
  type Refusal,
  refusalError,
  rejectedResult
} from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder, type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { type Context, Effect, Option } from "effect"
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

/** Where callers need no key, a page whose own name leads to this machine must not run code here (DNS rebinding). */
const checkHost = Effect.fnUntraced(function* (
  caller: Context.Tag.Service<typeof Caller>,
  { headers }: HttpServerRequest.HttpServerRequest
) {
  if (Option.isSome(caller.userId) || loopback.test(headers.host ?? "")) return
  const executionId = yield* freshId
  const message = "Expected a Host header that names this machine: localhost, 127.0.0.1 or [::1]"
  return yield* new PermissionDenied({ executionId, message })
})

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
        const body = yield* RequestBody.json(request, maxCodeBytes * bodyBytesPerCodeByte)
        // The service checks the form of whatever it is given.
        const result = yield* service.execute(body as ExecutionRequestInput, optionsOf(caller.userId))
        return respond(resultStatus(result), result)
      }).pipe(Effect.catchAll((refusal) => Effect.succeed(refuse(refusal))))
    )
  })
)
