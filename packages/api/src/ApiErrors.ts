import {
  cut,
  ExecutionError,
  ExecutionResult,
  executionError,
  type Refusal,
  refusals
} from "@bulkhead/domain"
import { HttpApiError, HttpApiSchema } from "@effect/platform"
import { type Cause, Data, Schema } from "effect"

/** What every error answers with, but for those of `POST /api/execute`, which answer with an execution's result. */
export const ErrorBody = Schema.Struct({
  success: Schema.Literal(false).annotations({ description: "That it was not done." }),
  error: ExecutionError.annotations({ description: "Why." })
}).annotations({ identifier: "ErrorBody" })
export type ErrorBody = typeof ErrorBody.Type

/** The body of an error. */
export const errorBody = (error: ExecutionError): ErrorBody => ({ success: false, error })

/** What `POST /api/execute` answers with, whatever came of it. */
export const ResultBody = ExecutionResult.annotations({
  identifier: "ExecutionResult",
  description: "What came of the request"
})

interface WithError {
  readonly error: ExecutionError
}

/** An error whose words are those of its body. */
const ContractError = <const Tag extends string>(
  tag: Tag
): (new (
  fields: WithError
) => Cause.YieldableError & WithError & { readonly _tag: Tag }) =>
  class extends Data.TaggedError(tag)<WithError> {
    override get message() {
      return this.error.message
    }
  }

const answer = <Self extends WithError>(
  status: number,
  description: string,
  self: new (fields: WithError) => Self
) =>
  Schema.transform(ErrorBody, Schema.instanceOf(self), {
    strict: true,
    decode: ({ error }) => new self({ error }),
    encode: ({ error }) => errorBody(error)
  }).annotations(HttpApiSchema.annotations({ status, description }))

const firstIssue = ({ issues, message }: HttpApiError.HttpApiDecodeError) => {
  const issue = issues[0]
  const told = issue === undefined ? message : `${issue.path.map(String).join(".")}: ${issue.message}`
  // What came is not repeated, and names need no quotes. What is no text came more than once.
  return cut(
    told
      .replace(/, actual .*$/s, "")
      .replace(/: Expected string$/, ": is there more than once")
      .replaceAll('" | "', ", ")
      .replaceAll('"', ""),
    500
  )
}

/** 400: a parameter of the address is not of the contract's form. */
export class BadRequest extends ContractError("BadRequest") {
  /** Also answers what HttpApi itself finds malformed. */
  static readonly answer = Schema.transform(
    ErrorBody,
    Schema.Union(Schema.instanceOf(BadRequest), Schema.instanceOf(HttpApiError.HttpApiDecodeError)),
    {
      strict: true,
      decode: ({ error }) => new BadRequest({ error }),
      encode: (error) =>
        errorBody(
          error instanceof BadRequest ? error.error : executionError("INVALID_REQUEST", firstIssue(error))
        )
    }
  ).annotations(
    HttpApiSchema.annotations({ status: 400, description: "A parameter is not of the contract's form" })
  )
}

/** 401: the right bearer token is missing. */
export class Unauthorized extends ContractError("Unauthorized") {
  static readonly answer = answer(401, "The right bearer token is missing", Unauthorized)
}

/** 403: the request names another machine, where callers need no key. */
export class Forbidden extends ContractError("Forbidden") {
  static readonly answer = answer(403, "Without keys, only this machine may ask", Forbidden)
}

/** 404: nothing has this id, or this name. */
export class NotFound extends ContractError("NotFound") {
  static readonly answer = answer(404, "Nothing has this id, or this name", NotFound)
}

/** 409: the execution has already ended. */
export class Conflict extends ContractError("Conflict") {
  static readonly answer = answer(409, "The execution has already ended", Conflict)
}

/** 413: the body is larger than any that the route takes. */
export class ContentTooLarge extends ContractError("ContentTooLarge") {
  static readonly answer = answer(413, "The body is larger than any that is taken", ContentTooLarge)
}

/** 415: the body is not JSON, or is compressed. */
export class UnsupportedContent extends ContractError("UnsupportedContent") {
  static readonly answer = answer(415, "The body is not JSON, or is compressed", UnsupportedContent)
}

/** 416: the range that is asked for has no bytes. */
export class RangeNotSatisfiable extends ContractError("RangeNotSatisfiable") {
  static readonly answer = answer(416, "The range that is asked for has no bytes", RangeNotSatisfiable)
}

/** 429: too many requests are being received or wait; `Retry-After` says when to try again. */
export class TooManyRequests extends ContractError("TooManyRequests") {
  static readonly answer = answer(429, "Too much is being received or waits", TooManyRequests)
}

/** 500: a mistake of the server's own; its log has the cause. */
export class ServerFault extends ContractError("ServerFault") {
  static readonly answer = answer(500, "A mistake of the server's own; its log has the cause", ServerFault)
}

/** 503: what is asked for cannot be read or recorded at present; the server's log has the cause. */
export class StoreUnavailable extends ContractError("StoreUnavailable") {
  static readonly answer = answer(
    503,
    "What is asked for cannot be read or recorded at present",
    StoreUnavailable
  )
}

const descriptions = {
  400: "The request is not of the contract's form; the message names the field",
  401: "The right caller's key is missing",
  403: "The caller may not run code",
  413: "The code or the whole request is too large",
  415: "The body is neither JSON nor a form, or is compressed",
  422: "Refused by policy, or an idempotency key that stands for something else",
  429: "A queue is full or the wait was too long; `Retry-After` says when to try again",
  502: "The sandboxes' provider failed before the program could start",
  503: "Shutting down, or unable to record what happens"
}

/** Each status with which `POST /api/execute` answers when no code ran. */
export type RefusalStatus = keyof typeof descriptions

/** `POST /api/execute` ran no code. The result says why, like any other result. */
export class ExecutionRefused extends Data.TaggedError("ExecutionRefused")<{
  readonly status: RefusalStatus
  readonly result: ExecutionResult
}> {
  override get message() {
    return this.result.error?.message ?? this.result.verdict
  }

  /** The refusal as the answer of one status. */
  static answer<Status extends RefusalStatus>(status: Status) {
    return Schema.transform(
      ResultBody,
      Schema.instanceOf(ExecutionRefused).pipe(Schema.filter((refused) => refused.status === status)),
      {
        strict: true,
        decode: (result) => new ExecutionRefused({ status, result }),
        encode: (refused) => refused.result
      }
    ).annotations(HttpApiSchema.annotations({ status, description: descriptions[status] }))
  }

  /** The answers of whatever takes a request, but for those that ask who the caller is. */
  static get answers() {
    return Schema.Union(
      ExecutionRefused.answer(400),
      ExecutionRefused.answer(403),
      ExecutionRefused.answer(413),
      ExecutionRefused.answer(415),
      ExecutionRefused.answer(422),
      ExecutionRefused.answer(429),
      ExecutionRefused.answer(503)
    )
  }
}

/** The status that answers a refusal. */
export const refusalStatus = (refusal: Refusal): RefusalStatus => refusals[refusal._tag].status

/** 200 whatever came of the program, 502 when the provider failed before it could start. */
export const resultStatus = (result: ExecutionResult): 200 | 502 =>
  result.verdict === "InternalError" && result.metrics.executionTimeMs === undefined ? 502 : 200
