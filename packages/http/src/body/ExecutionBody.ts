import {
  type ExecutionId,
  InvalidRequest,
  type LimitValues,
  type Refusal,
  type UserId
} from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import type { HttpServerRequest } from "@effect/platform"
import { type Context, Effect, Predicate, type Scope } from "effect"
import { freshId } from "../Refusals.js"
import * as FormBody from "./FormBody.js"
import type { Bounds } from "./JsonScanner.js"
import * as RequestBody from "./RequestBody.js"

export interface ExecutionBodyOptions {
  readonly service: Context.Tag.Service<SandboxService>
  /** Who sends it, if that is known. */
  readonly userId: UserId | undefined
  /** One permit, with which large bodies are parsed one after the other. */
  readonly turn: Effect.Semaphore
}

const megabyte = 1_048_576
/** JSON may need six bytes for one byte of code (`\u0000`). */
const bytesPerCodeByte = 6
/** Base64 takes a third more; quotes and line ends twice the bytes. */
const bytesPerFileByte = 2

/**
 * Most bytes of a JSON request: the code, and files as far as one user's requests may take memory, once as they come
 * and once as they are kept.
 */
export const largestJson = ({ maxCodeBytes, maxUploadMB, maxUserQueuedMB }: LimitValues) => {
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

/**
 * The request of an execution as its body has it, JSON or a form, not validated. The files of a form are there until
 * the scope closes, and for an execution that holds them as long as it needs them.
 */
export const read = Effect.fn("ExecutionBody.read")(function* (
  request: HttpServerRequest.HttpServerRequest,
  { service, turn, userId }: ExecutionBodyOptions
): Effect.fn.Return<unknown, Refusal, Scope.Scope> {
  const executionId = yield* freshId
  yield* RequestBody.checkKind(request, executionId, ["application/json", "multipart/form-data"])
  const limits = yield* service.limits
  const options = {
    largest: largestJson(limits),
    bounds: boundsFor(limits),
    receive: service.receive,
    userId,
    turn
  }
  if (RequestBody.kindOf(request) === "application/json") return yield* RequestBody.json(request, options)
  yield* RequestBody.checkSite(request, executionId)
  const form = yield* FormBody.read(request, executionId, { ...options, limits })
  return yield* requestOf(executionId, form)
})
