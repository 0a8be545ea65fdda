import { Schema } from "effect"
import { type ErrorCode, type ExecutionError, executionError } from "./ExecutionError.js"
import { ExecutionId } from "./ExecutionId.js"

const refused = { executionId: ExecutionId, message: Schema.String }
/** Whole seconds after which trying again makes sense. */
const retryAfter = { retryAfter: Schema.Number }

/**
 * The request is not of the contract's form. `field` is the path of what is wrong; the message says what is accepted.
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  ...refused,
  field: Schema.String
}) {}

/** The code, a file or the whole request is larger than the limits allow. */
export class RequestTooLarge extends Schema.TaggedError<RequestTooLarge>()("RequestTooLarge", {
  ...refused,
  field: Schema.String
}) {}

/** The body is of a kind or an encoding that is not taken. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  refused
) {}

/** The caller may not run code. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", refused) {}

/** The queue in front of the sandboxes is full, or has as many bytes as it may have. */
export class SystemAtCapacity extends Schema.TaggedError<SystemAtCapacity>()("SystemAtCapacity", {
  ...refused,
  ...retryAfter
}) {}

/** The user has as many executions that wait, or bytes of them, as one user may have, or has spent the budget. */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()("QuotaExceeded", {
  ...refused,
  ...retryAfter
}) {}

/** The execution waited for its turn as long as the limits allow. */
export class QueueTimeout extends Schema.TaggedError<QueueTimeout>()("QueueTimeout", {
  ...refused,
  ...retryAfter
}) {}

/** The key stands for another request of this user, or for a result that is no longer kept. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()(
  "IdempotencyConflict",
  refused
) {}

/** What happens cannot be recorded at present, so nothing may happen. */
export class RecordUnavailable extends Schema.TaggedError<RecordUnavailable>()("RecordUnavailable", {
  ...refused,
  ...retryAfter
}) {}

/** The operator's rules of code refuse it, or it could not be analysed and the operator wants that refused. */
export class MaliciousCode extends Schema.TaggedError<MaliciousCode>()("MaliciousCode", refused) {}

/** The request asks for more than the operator allows, or for what the sandboxes cannot enforce. `field` names it. */
export class PolicyRefused extends Schema.TaggedError<PolicyRefused>()("PolicyRefused", {
  ...refused,
  field: Schema.String
}) {}

/** The service is shutting down and takes no new work. */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", {
  ...refused,
  ...retryAfter
}) {}

/** Why a request was turned away. No code ran. */
export type Refusal =
  | InvalidRequest
  | RequestTooLarge
  | UnsupportedMediaType
  | PermissionDenied
  | MaliciousCode
  | PolicyRefused
  | SystemAtCapacity
  | QuotaExceeded
  | QueueTimeout
  | IdempotencyConflict
  | RecordUnavailable
  | ShuttingDown

interface RefusalFacts {
  readonly code: ErrorCode
  /** HTTP status of the answer. */
  readonly status: 400 | 403 | 413 | 415 | 422 | 429 | 503
}

/** What each refusal is answered with. Those that say when to try again have a code that is retryable. */
export const refusals = {
  InvalidRequest: { code: "INVALID_REQUEST", status: 400 },
  RequestTooLarge: { code: "INVALID_REQUEST", status: 413 },
  UnsupportedMediaType: { code: "INVALID_REQUEST", status: 415 },
  PermissionDenied: { code: "PERMISSION_DENIED", status: 403 },
  MaliciousCode: { code: "MALICIOUS_CODE", status: 403 },
  PolicyRefused: { code: "PERMISSION_DENIED", status: 422 },
  SystemAtCapacity: { code: "SYSTEM_AT_CAPACITY", status: 429 },
  QuotaExceeded: { code: "QUOTA_EXCEEDED", status: 429 },
  QueueTimeout: { code: "QUEUE_TIMEOUT", status: 429 },
  IdempotencyConflict: { code: "CONFLICT", status: 422 },
  RecordUnavailable: { code: "RECORD_UNAVAILABLE", status: 503 },
  ShuttingDown: { code: "SANDBOX_BUSY", status: 503 }
} as const satisfies Record<Refusal["_tag"], RefusalFacts>

/** The refusal as the error of a result. */
export const refusalError = (refusal: Refusal): ExecutionError =>
  executionError(refusals[refusal._tag].code, refusal.message)

/** No execution has this id. */
export class ExecutionNotFound extends Schema.TaggedError<ExecutionNotFound>()("ExecutionNotFound", {
  executionId: Schema.String
}) {
  override get message() {
    return `No execution has the id '${this.executionId}'`
  }
}

/** The execution has already ended. */
export class ExecutionEnded extends Schema.TaggedError<ExecutionEnded>()("ExecutionEnded", {
  executionId: ExecutionId
}) {
  override get message() {
    return `Execution '${this.executionId}' has already ended`
  }
}

/** Another execution has this id. */
export class ExecutionExists extends Schema.TaggedError<ExecutionExists>()("ExecutionExists", {
  executionId: ExecutionId
}) {
  override get message() {
    return `An execution already has the id '${this.executionId}'`
  }
}
