import { Schema } from "effect"
import { WebhookMetrics } from "./Webhook.js"

/**
 * Whether sandboxes are asked for: `open` while a provider that is down is left alone, `half-open` when the next one is
 * a try.
 */
export const CircuitState = Schema.Literal("closed", "open", "half-open")
export type CircuitState = typeof CircuitState.Type

/** The sandboxes that are there before they are asked for. */
export const PoolMetrics = Schema.Struct({
  idle: Schema.Number,
  /** How many it keeps, by the demand of late. */
  target: Schema.Number,
  /** Executions that got their sandbox from the pool, and that did not. */
  hits: Schema.Number,
  misses: Schema.Number
})
export type PoolMetrics = typeof PoolMetrics.Type

export const ProviderMetrics = Schema.Struct({
  circuit: CircuitState,
  pool: PoolMetrics,
  /** Sandboxes that nobody held any more, and that were ended. */
  reapedSandboxes: Schema.Number,
  /** How often the embedded host has started its launcher of sandboxes again; 0 with another provider. */
  launcherRestarts: Schema.Number
})
export type ProviderMetrics = typeof ProviderMetrics.Type

/** Whether new work can be done. */
export const Readiness = Schema.Struct({
  ready: Schema.Boolean,
  /** Present exactly when it cannot. */
  reason: Schema.optional(Schema.String)
})
export type Readiness = typeof Readiness.Type

export const SystemMetrics = Schema.Struct({
  activeExecutions: Schema.Number,
  queuedExecutions: Schema.Number,
  /** Users with an execution that runs or waits. */
  totalUsers: Schema.Number,
  /** Active executions as a whole percentage of the global limit. */
  utilizationPercent: Schema.Number,
  /** Bytes of all artifacts that are kept, or about to be. */
  artifactBytes: Schema.Number,
  /** Streams of updates that are being read. */
  openStreams: Schema.Number,
  /** Messages to webhooks. Absent: none are sent, or they cannot be counted at present. */
  webhooks: Schema.optional(WebhookMetrics),
  ...ProviderMetrics.fields
})
export type SystemMetrics = typeof SystemMetrics.Type

export const UserMetrics = Schema.Struct({
  activeExecutions: Schema.Number,
  queuedExecutions: Schema.Number,
  /** Active executions as a whole percentage of the per-user limit. */
  utilizationPercent: Schema.Number,
  /** Bytes of the user's artifacts that are kept, or about to be. */
  artifactBytes: Schema.Number,
  /** Streams of the user's executions that are being read. */
  openStreams: Schema.Number
})
export type UserMetrics = typeof UserMetrics.Type
