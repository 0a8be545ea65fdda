import { Schema } from "effect"
import { ExecutionId } from "./ExecutionId.js"
import { ExecutionResult } from "./ExecutionResult.js"
import { UserId } from "./UserId.js"
import { Verdict } from "./Verdict.js"

/** `tracked` is work that runs elsewhere and is only counted here. */
export const ExecutionState = Schema.Literal("queued", "starting", "running", "tracked", "ended")
export type ExecutionState = typeof ExecutionState.Type

/** One row of a list of executions. Times are milliseconds since the epoch. */
export const ExecutionSummary = Schema.Struct({
  executionId: ExecutionId,
  userId: UserId,
  state: ExecutionState,
  /** Absent for tracked work. */
  language: Schema.optional(Schema.String),
  /** How many of those who wait now may have their turn before this one, at most. Present only while it waits. */
  ahead: Schema.optional(Schema.Number),
  startedAt: Schema.Number,
  endedAt: Schema.optional(Schema.Number),
  verdict: Schema.optional(Verdict)
})
export type ExecutionSummary = typeof ExecutionSummary.Type

/** One execution. The latest results are kept, as far as there is room. */
export const ExecutionRecord = Schema.Struct({
  ...ExecutionSummary.fields,
  result: Schema.optional(ExecutionResult)
})
export type ExecutionRecord = typeof ExecutionRecord.Type
