import { Schema } from "effect"

/** How an execution ended. Every execution ends in exactly one of these. */
export const Verdict = Schema.Literal(
  "Completed",
  "NonZeroExit",
  "Signalled",
  "TimeLimitExceeded",
  "CpuTimeLimitExceeded",
  "MemoryLimitExceeded",
  "OutputLimitExceeded",
  "DiskLimitExceeded",
  "ProcessLimitExceeded",
  "Killed",
  "Rejected",
  "InternalError"
).annotations({ description: "How it ended. Absent of an execution that has not." })
export type Verdict = typeof Verdict.Type
