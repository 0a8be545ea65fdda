import { Schema } from "effect"

/** Whose business an error is. Only `infrastructure` is ever retried. */
export const ErrorCategory = Schema.Literal(
  "infrastructure",
  "request",
  "policy",
  "capacity",
  "limit",
  "program",
  "cancelled",
  "internal"
)
export type ErrorCategory = typeof ErrorCategory.Type

interface CodeFacts {
  readonly category: ErrorCategory
  readonly retryable: boolean
}

/** Every error code, whose business it is, and whether trying again may help. */
export const errorCodes = {
  ETIMEDOUT: { category: "infrastructure", retryable: true },
  ECONNRESET: { category: "infrastructure", retryable: true },
  ECONNREFUSED: { category: "infrastructure", retryable: true },
  SANDBOX_BUSY: { category: "infrastructure", retryable: true },
  RATE_LIMIT: { category: "infrastructure", retryable: true },
  MAX_RETRIES_EXCEEDED: { category: "infrastructure", retryable: true },
  INVALID_REQUEST: { category: "request", retryable: false },
  INVALID_CODE: { category: "program", retryable: false },
  RUNTIME_ERROR: { category: "program", retryable: false },
  PERMISSION_DENIED: { category: "policy", retryable: false },
  MALICIOUS_CODE: { category: "policy", retryable: false },
  QUOTA_EXCEEDED: { category: "capacity", retryable: false },
  SYSTEM_AT_CAPACITY: { category: "capacity", retryable: true },
  QUEUE_TIMEOUT: { category: "capacity", retryable: true },
  EXECUTION_TIMEOUT: { category: "limit", retryable: false },
  MEMORY_LIMIT_EXCEEDED: { category: "limit", retryable: false },
  OUTPUT_LIMIT_EXCEEDED: { category: "limit", retryable: false },
  DISK_LIMIT_EXCEEDED: { category: "limit", retryable: false },
  PROCESS_LIMIT_EXCEEDED: { category: "limit", retryable: false },
  EXECUTION_KILLED: { category: "cancelled", retryable: false },
  INTERNAL_ERROR: { category: "internal", retryable: false }
} as const satisfies Record<string, CodeFacts>

export type ErrorCode = keyof typeof errorCodes

export const ErrorCode = Schema.Literal(...(Object.keys(errorCodes) as Array<ErrorCode>))

/** What a result carries whenever `success` is false. */
export const ExecutionError = Schema.Struct({
  code: ErrorCode,
  message: Schema.String,
  category: ErrorCategory,
  retryable: Schema.Boolean
})
export type ExecutionError = typeof ExecutionError.Type

/** An error with the category and the retryability that its code stands for. */
export const executionError = (code: ErrorCode, message: string): ExecutionError => ({
  code,
  message,
  ...errorCodes[code]
})
