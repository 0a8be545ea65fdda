import { Schema } from "effect"
import { ExecutionId } from "./ExecutionId.js"
import { ExecutionResult } from "./ExecutionResult.js"
import { TraceId } from "./TraceId.js"
import { UserId } from "./UserId.js"
import { Verdict } from "./Verdict.js"

/** `tracked` is work that runs elsewhere and is only counted here. */
export const ExecutionState = Schema.Literal("queued", "starting", "running", "tracked", "ended").annotations(
  {
    description:
      "How far it is: it waits for its turn, its sandbox starts, its program runs, or it has ended; tracked is work that runs elsewhere."
  }
)
export type ExecutionState = typeof ExecutionState.Type

/** One row of a list of executions. Times are milliseconds since the epoch. */
export const ExecutionSummary = Schema.Struct({
  executionId: ExecutionId,
  userId: UserId,
  state: ExecutionState,
  language: Schema.optional(
    Schema.String.annotations({ description: "What the program is written in. Absent for tracked work." })
  ),
  image: Schema.optional(
    Schema.String.annotations({
      description: "The image that its sandbox is made from. Absent: the plain sandbox."
    })
  ),
  traceId: Schema.optional(TraceId),
  ahead: Schema.optional(
    Schema.Number.annotations({
      description:
        "How many of those who wait now may have their turn before this one, at most. Present only while it waits.",
      examples: [3]
    })
  ),
  startedAt: Schema.Number.annotations({
    description: "When it was accepted: milliseconds since the epoch.",
    examples: [1_767_225_600_000]
  }),
  endedAt: Schema.optional(
    Schema.Number.annotations({
      description: "When it ended: milliseconds since the epoch. Absent before that.",
      examples: [1_767_225_600_031]
    })
  ),
  verdict: Schema.optional(Verdict)
})
export type ExecutionSummary = typeof ExecutionSummary.Type

/** One execution. The latest results are kept, as far as there is room. */
export const ExecutionRecord = Schema.Struct({
  ...ExecutionSummary.fields,
  result: Schema.optional(
    ExecutionResult.annotations({
      description: "What came of it. Absent before its end, for tracked work, and when it is no longer kept."
    })
  )
})
export type ExecutionRecord = typeof ExecutionRecord.Type
