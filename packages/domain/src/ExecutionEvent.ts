import { Schema } from "effect"
import { ExecutionId } from "./ExecutionId.js"
import { UserId } from "./UserId.js"

export const EventLevel = Schema.Literal("info", "warn", "error")
export type EventLevel = typeof EventLevel.Type

/**
 * The stages of an execution, and what came of messages to its webhooks. The last five are terminal: an execution
 * has exactly one of them.
 */
export const EventName = Schema.Literal(
  "execution_queued",
  "code_flagged",
  "execution_started",
  "sandbox_created",
  "program_started",
  "secret_used",
  "network_allowed",
  "network_denied",
  "signal_sent",
  "sandbox_destroyed",
  "sandbox_leaked",
  "execution_retry",
  "webhook_delivered",
  "webhook_failed",
  "execution_completed",
  "execution_failed",
  "execution_timeout",
  "execution_killed",
  "execution_rejected"
)
export type EventName = typeof EventName.Type

/** One line of an execution's log. */
export const ExecutionEvent = Schema.Struct({
  timestamp: Schema.Number.annotations({
    description: "When it happened: milliseconds since the epoch.",
    examples: [1_767_225_600_000]
  }),
  executionId: ExecutionId,
  userId: UserId,
  level: EventLevel.annotations({ description: "How much it calls for a look." }),
  event: EventName.annotations({
    description:
      "What happened. The last five are terminal: an execution has exactly one of them. Only webhook_delivered and webhook_failed may come after it."
  }),
  message: Schema.String.annotations({
    description: "The same in words.",
    examples: ["Execution completed"]
  }),
  data: Schema.optional(
    Schema.Record({ key: Schema.String, value: Schema.Unknown }).annotations({
      description: "Facts beside it, which each kind of event has its own of."
    })
  )
})
export type ExecutionEvent = typeof ExecutionEvent.Type
