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

/** The caller may not run code. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", refused) {}

/** The queue in front of the sandboxes is full. */
export class SystemAtCapacity extends Schema.TaggedError<SystemAtCapacity>()("SystemAtCapacity", {
  ...refused,
  ...retryAfter
}) {}

/** The user has as many executions as one user may have, running and waiting. */
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

/** The service is shutting down and takes no new work. */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", {
  ...refused,
  ...retryAfter
}) {}

/** Why a request was turned away. No code ran. */
export type Refusal =
  | InvalidRequest
  | RequestTooLarge
  | PermissionDenied
  | SystemAtCapacity
  | QuotaExceeded
  | QueueTimeout
  | IdempotencyConflict
  | RecordUnavailable
  | ShuttingDown

const codes: Record<Refusal["_tag"], ErrorCode> = {
  InvalidRequest: "INVALID_REQUEST",
  RequestTooLarge: "INVALID_REQUEST",
  PermissionDenied: "PERMISSION_DENIED",
  SystemAtCapacity: "SYSTEM_AT_CAPACITY",
  QuotaExceeded: "QUOTA_EXCEEDED",
  QueueTimeout: "QUEUE_TIMEOUT",
  IdempotencyConflict: "INVALID_REQUEST",
  RecordUnavailable: "INTERNAL_ERROR",
  ShuttingDown: "SANDBOX_BUSY"
}

/** The refusal as the error of a result. */
export const refusalError = (refusal: Refusal): ExecutionError =>
  executionError(codes[refusal._tag], refusal.message)

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
