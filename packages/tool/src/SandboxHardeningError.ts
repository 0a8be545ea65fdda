import {
  type ErrorCategory,
  type ErrorCode,
  type ExecutionEnded,
  type ExecutionError,
  type ExecutionExists,
  type ExecutionNotFound,
  executionError,
  type Refusal,
  refusalError
} from "@bulkhead/domain"
import type { StoreFailure } from "@bulkhead/sandbox"
import { Cause, Option, Schema } from "effect"
import type { SetUpFailure } from "./SetUpFailure.js"

/** The manager has been closed. */
export class ManagerClosed extends Schema.TaggedError<ManagerClosed>()("ManagerClosed", {}) {
  override get message() {
    return "The sandbox hardening manager has been closed"
  }
}

/** What a verb of the manager may fail with. */
export type Failure =
  | Refusal
  | ExecutionNotFound
  | ExecutionEnded
  | ExecutionExists
  | StoreFailure
  | SetUpFailure
  | ManagerClosed

/** A failure as the error of a result. */
export const errorOf = (failure: Failure): ExecutionError => {
  switch (failure._tag) {
    case "ExecutionNotFound":
      return executionError("NOT_FOUND", failure.message)
    case "ExecutionEnded":
    case "ExecutionExists":
      return executionError("CONFLICT", failure.message)
    case "StoreFailure":
      return executionError("RECORD_UNAVAILABLE", "The record of executions cannot be read at present")
    case "SetUpFailure":
    case "ManagerClosed":
      return executionError("INTERNAL_ERROR", failure.message)
    default:
      return refusalError(failure)
  }
}

/** What went wrong, by name: a failure's own, an execution that its caller aborted, or a fault of ours. */
export type ErrorName = Failure["_tag"] | "AbortError" | "InternalError"

/** What the promises of a `SandboxHardeningManager` are rejected with. Its `name` says what went wrong. */
export class SandboxHardeningError extends Error {
  override readonly name: ErrorName
  readonly code: ErrorCode
  readonly category: ErrorCategory
  /** Whether trying the same again may help. */
  readonly retryable: boolean

  constructor(
    name: ErrorName,
    { category, code, message, retryable }: ExecutionError,
    options?: ErrorOptions
  ) {
    super(message, options)
    this.name = name
    this.code = code
    this.category = category
    this.retryable = retryable
  }
}

/** A failure as plain programs know it. */
export const ofFailure = (failure: Failure): SandboxHardeningError =>
  new SandboxHardeningError(failure._tag, errorOf(failure))

const aborted = executionError("EXECUTION_KILLED", "Execution killed: the caller aborted it")
const ourFault = executionError("INTERNAL_ERROR", "The sandbox service failed; `cause` says at what")

/** Whatever an effect ended with, as plain programs know it. */
export const ofCause = (cause: Cause.Cause<Failure>): SandboxHardeningError =>
  Option.match(Cause.failureOption(cause), {
    onSome: ofFailure,
    onNone: () =>
      Cause.isInterruptedOnly(cause)
        ? new SandboxHardeningError("AbortError", aborted)
        : new SandboxHardeningError("InternalError", ourFault, { cause: Cause.squash(cause) })
  })
