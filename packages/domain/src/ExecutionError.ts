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

/** Who has to do something about an error. */
export type Responsible = "caller" | "program" | "provider" | "operator"

interface CodeFacts {
  readonly category: ErrorCategory
  /** Whether the same request may succeed later: what is wrong passes, or `Retry-After` says when. */
  readonly retryable: boolean
  readonly responsible: ReadonlyArray<Responsible>
  /** HTTP statuses of the answers that have this code; 200 whenever the program ran. */
  readonly statuses: ReadonlyArray<number>
  /** When to try again, in words. */
  readonly tryAgain: string
  readonly meaning: string
}

const inTime = "as `Retry-After` says"
const soon = "after some seconds"
const changed = "only another request"

const infrastructure = {
  category: "infrastructure",
  retryable: true,
  responsible: ["provider"],
  statuses: [200, 502],
  tryAgain: soon
} as const

const ofProgram = { retryable: false, responsible: ["program"], statuses: [200], tryAgain: changed } as const

const capacity = {
  category: "capacity",
  retryable: true,
  responsible: ["caller"],
  statuses: [429],
  tryAgain: inTime
} as const

const ofCaller = { retryable: false, responsible: ["caller"], tryAgain: changed } as const

/** Every error code: whose business it is, whether and when trying again may help, and what it means. */
export const errorCodes = {
  ETIMEDOUT: { ...infrastructure, meaning: "the sandbox provider did not answer in time" },
  ECONNRESET: { ...infrastructure, meaning: "the connection to the sandbox was lost" },
  ECONNREFUSED: { ...infrastructure, meaning: "the sandbox provider cannot be reached" },
  SANDBOX_BUSY: {
    ...infrastructure,
    responsible: ["provider", "operator"],
    statuses: [200, 502, 503],
    tryAgain: `${inTime}, else ${soon}`,
    meaning: "the sandbox or its provider is not available for a moment, or the service shuts down"
  },
  RATE_LIMIT: { ...infrastructure, meaning: "the provider limits the rate" },
  MAX_RETRIES_EXCEEDED: {
    ...infrastructure,
    meaning: "every try failed; the message has the last reason"
  },
  INVALID_REQUEST: {
    ...ofCaller,
    category: "request",
    statuses: [400, 405, 408, 413, 415, 416, 417, 431],
    meaning: "the request is malformed or too large; the message names the field"
  },
  NOT_FOUND: {
    ...ofCaller,
    category: "request",
    statuses: [404],
    meaning: "nothing has this address, this id or this name"
  },
  CONFLICT: {
    ...ofCaller,
    category: "request",
    statuses: [409, 422],
    meaning: "the execution has already ended, or the idempotency key stands for something else"
  },
  INVALID_CODE: { ...ofProgram, category: "program", meaning: "a syntax error" },
  RUNTIME_ERROR: { ...ofProgram, category: "program", meaning: "the program failed" },
  PERMISSION_DENIED: {
    ...ofCaller,
    category: "policy",
    responsible: ["caller", "operator"],
    statuses: [200, 401, 403, 422, 502],
    meaning:
      "not allowed: the caller's key is not right; with 422 the request asks for more than it may, or for what sandboxes cannot have here, such as GPUs; with 502 the key is wrong that the provider wants of us"
  },
  MALICIOUS_CODE: {
    ...ofCaller,
    category: "policy",
    statuses: [403],
    meaning: "refused as a security violation: the message names the rule and the line, see code-analysis.md"
  },
  QUOTA_EXCEEDED: { ...capacity, meaning: "the user has used up their queue, its bytes or their budget" },
  SYSTEM_AT_CAPACITY: {
    ...capacity,
    responsible: ["operator"],
    meaning: "too many executions wait, or too many bytes of them"
  },
  QUEUE_TIMEOUT: { ...capacity, responsible: ["operator"], meaning: "no place became free in time" },
  EXECUTION_TIMEOUT: { ...ofProgram, category: "limit", meaning: "the wall time or the CPU time ran out" },
  MEMORY_LIMIT_EXCEEDED: {
    ...ofProgram,
    category: "limit",
    meaning: "the program used more memory than it may; the message names the limit that held"
  },
  OUTPUT_LIMIT_EXCEEDED: {
    ...ofProgram,
    category: "limit",
    meaning: "the program wrote more output than it may"
  },
  DISK_LIMIT_EXCEEDED: {
    ...ofProgram,
    category: "limit",
    meaning: "the program wrote more files than it may"
  },
  PROCESS_LIMIT_EXCEEDED: {
    ...ofProgram,
    category: "limit",
    meaning: "the program started more processes than it may"
  },
  EXECUTION_KILLED: {
    ...ofCaller,
    category: "cancelled",
    responsible: ["caller", "operator"],
    statuses: [200],
    tryAgain: "if it was not meant to end",
    meaning: "an operator, the caller or a shutdown ended it"
  },
  RECORD_UNAVAILABLE: {
    category: "internal",
    retryable: true,
    responsible: ["operator"],
    statuses: [503],
    tryAgain: inTime,
    meaning: "what happens cannot be recorded or read at present"
  },
  INTERNAL_ERROR: {
    category: "internal",
    retryable: false,
    responsible: ["operator"],
    statuses: [200, 500, 502],
    tryAgain: "when the operator has read the log",
    meaning: "a mistake of ours, or evidence that is missing"
  }
} as const satisfies Record<string, CodeFacts>

export type ErrorCode = keyof typeof errorCodes

const allCodes = Object.keys(errorCodes) as Array<ErrorCode>

const rowOf = (code: ErrorCode) => {
  const { category, meaning, responsible, retryable, statuses, tryAgain } = errorCodes[code]
  const cells = [
    `\`${code}\``,
    category,
    responsible.join(", "),
    statuses.join(", "),
    retryable ? "yes" : "no",
    tryAgain,
    meaning
  ]
  return `| ${cells.join(" | ")} |`
}

/** The codes as a table in Markdown. */
export const errorTable = [
  "| code | category | who can mend it | status | retryable | try again | meaning |",
  "|---|---|---|---|---|---|---|",
  ...allCodes.map(rowOf)
].join("\n")

export const ErrorCode = Schema.Literal(...allCodes).annotations({ description: errorTable })

/** What a result carries whenever `success` is false. */
export const ExecutionError = Schema.Struct({
  code: ErrorCode,
  message: Schema.String.annotations({
    description: "What was wrong, in words for people; of a request also the field and what is accepted."
  }),
  category: ErrorCategory.annotations({ description: "Whose business it is." }),
  retryable: Schema.Boolean.annotations({
    description: "Whether the same request may succeed later; agrees with `Retry-After`."
  })
})
export type ExecutionError = typeof ExecutionError.Type

/** An error with the category and the retryability that its code stands for. */
export const executionError = (code: ErrorCode, message: string): ExecutionError => ({
  code,
  message,
  category: errorCodes[code].category,
  retryable: errorCodes[code].retryable
})
