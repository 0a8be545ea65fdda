import { Caller, type RefusalStatus, refusalStatus } from "@bulkhead/api"
import {
  type ExecutionId,
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
import { Effect, Option, Predicate, type Scope } from "effect"
import { freshId } from "../Refusals.js"
import * as RequestFacts from "../RequestFacts.js"
import * as FormBody from "./FormBody.js"
import type { Bounds } from "./JsonScanner.js"
import * as RequestBody from "./RequestBody.js"

const megabyte = 1_048_576
/** JSON may need six bytes for one byte of code (`\u0000`). */
const bytesPerCodeByte = 6
/** Base64 takes a third more; quotes and line ends twice the bytes. */
const bytesPerFileByte = 2

/**
 * Most bytes of a JSON request: the code, and files as far as one user's requests may take memory, once as they come
 * and once as they are kept.
 */
const largestJson = ({ maxCodeBytes, maxUploadMB, maxUserQueuedMB }: LimitValues) => {
  const code = maxCodeBytes * bytesPerCodeByte
  const files = maxUploadMB * megabyte * bytesPerFileByte
  return Math.max(code, Math.min(code + files, Math.floor((maxUserQueuedMB * megabyte) / 2)))
}

/** A file is an object of at most four members, and an element of an array. */
const elementsPerFile = 5

const boundsFor = ({ maxUploadFiles }: LimitValues): Bounds => ({
  depth: RequestBody.usualBounds.depth,
  elements: RequestBody.usualBounds.elements + elementsPerFile * maxUploadFiles
})

/** What a request may have at most, in JSON. */
export const boundsOfJson = (limits: LimitValues) => ({
  largest: largestJson(limits),
  bounds: boundsFor(limits)
})

const invalid = (executionId: ExecutionId, field: string, message: string) =>
  new InvalidRequest({ executionId, field, message: `${field}: ${message}` })

/** The request that a form is: its part `request`, or its fields, with its files. */
const requestOf = Effect.fnUntraced(function* (executionId: ExecutionId, form: FormBody.Form) {
  const { request = {}, ...fields } = Object.fromEntries(form.fields)
  if (!Predicate.isReadonlyRecord(request) || Array.isArray(request))
    return yield* invalid(executionId, "request", "expected a JSON object")
  const twice = Object.keys(fields).find((name) => Object.hasOwn(request, name))
  if (twice !== undefined)
    return yield* invalid(executionId, twice, "is a field, and in the part 'request' too")
  const whole = { ...request, ...fields }
  const named: unknown = whole.files ?? []
  const files = FormBody.filesOf(form)
  // What is no array is refused as such.
  return { ...whole, files: Array.isArray(named) ? [...named, ...files] : named }
})

/** The body, with the header's key if it has none itself. */
const withKey = (
  body: unknown,
  executionId: ExecutionId,
  { headers }: HttpServerRequest.HttpServerRequest
): Effect.Effect<unknown, InvalidRequest> => {
  const key = headers["idempotency-key"]
  if (key === undefined || !Predicate.isReadonlyRecord(body)) return Effect.succeed(body)
  const idempotencyKey = body.idempotencyKey ?? key
  return idempotencyKey === key
    ? Effect.succeed({ ...body, idempotencyKey })
    : invalid(executionId, "idempotencyKey", "expected no other key than the header Idempotency-Key has")
}

/** What is asked for, and by whom. */
export interface Asked {
  /** Not validated: the service does that. */
  readonly input: ExecutionRequestInput
  readonly options: { readonly userId: UserId } | undefined
}

/**
 * Reads a request to run code, JSON or a form. The files of a form are there until the scope closes, and for an execution
 * that holds them as long as it needs them.
 */
export const read = Effect.fn("ExecutionBody.read")(function* (
  request: HttpServerRequest.HttpServerRequest
): Effect.fn.Return<Asked, Refusal, SandboxService | Caller | Scope.Scope> {
  const executionId = yield* freshId
  yield* RequestBody.checkKind(request, executionId, ["application/json", "multipart/form-data"])
  const { limits: inForce, receive } = yield* SandboxService
  const userId = Option.getOrUndefined((yield* Caller).userId)
  const limits = yield* inForce
  const options = { ...boundsOfJson(limits), receive, userId }
  const body =
    RequestBody.kindOf(request) === "application/json"
      ? yield* RequestBody.json(request, options)
      : yield* requestOf(executionId, yield* FormBody.read(request, executionId, { ...options, limits }))
  const input = (yield* withKey(body, executionId, request)) as ExecutionRequestInput
  return { input, options: userId && { userId } }
})

/** Answers with a result. */
export const respond = (
  status: 200 | RefusalStatus,
  result: ExecutionResult,
  headers?: Readonly<Record<string, string>>
) => Effect.orDie(HttpServerResponse.json(result, { status, ...(headers && { headers }) }))

/** Answers a request that was turned away. */
export const refuse = (refusal: Refusal) =>
  Effect.zipRight(
    RequestFacts.note({ executionId: refusal.executionId }),
    respond(
      refusalStatus(refusal),
      rejectedResult(refusal.executionId, refusalError(refusal)),
      "retryAfter" in refusal ? { "retry-after": String(refusal.retryAfter) } : undefined
    )
  )
