import { Schema } from "effect"
import { ExecutionId } from "./ExecutionId.js"
import { UserId } from "./UserId.js"

export const EventLevel = Schema.Literal("info", "warn", "error")
export type EventLevel = typeof EventLevel.Type

/**
 * The stages of an execution, and that a message of it could not be delivered. The last five are terminal: an execution
 * has exactly one of them.
 */
export const EventName = Schema.Literal(
  "execution_queued",
  "execution_started",
  "sandbox_created",
  "program_started",
  "signal_sent",
  "sandbox_destroyed",
  "sandbox_leaked",
  "execution_retry",
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
  /** Milliseconds since the epoch. */
  timestamp: Schema.Number,
  executionId: ExecutionId,
  userId: UserId,
  level: EventLevel,
  event: EventName,
  message: Schema.String,
  data: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
})
export type ExecutionEvent = typeof ExecutionEvent.Type
