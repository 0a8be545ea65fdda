import { Schema } from "effect"

export const SystemMetrics = Schema.Struct({
  activeExecutions: Schema.Number,
  queuedExecutions: Schema.Number,
  /** Users with an execution that runs or waits. */
  totalUsers: Schema.Number,
  /** Active executions as a whole percentage of the global limit. */
  utilizationPercent: Schema.Number
})
export type SystemMetrics = typeof SystemMetrics.Type

export const UserMetrics = Schema.Struct({
  activeExecutions: Schema.Number,
  queuedExecutions: Schema.Number,
  /** Active executions as a whole percentage of the per-user limit. */
  utilizationPercent: Schema.Number
})
export type UserMetrics = typeof UserMetrics.Type
