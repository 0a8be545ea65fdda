import { Schema } from "effect"
import { Gpus } from "./Gpu.js"
import { WebhookMetrics } from "./Webhook.js"

const count = (description: string, example = 0) =>
  Schema.Number.annotations({ description, examples: [example] })

/**
 * Whether sandboxes are asked for: `open` while a provider that is down is left alone, `half-open` when the next one is
 * a try.
 */
export const CircuitState = Schema.Literal("closed", "open", "half-open").annotations({
  description:
    "Whether sandboxes are asked for: `open` while a provider that is down is left alone, `half-open` when the next one is a try."
})
export type CircuitState = typeof CircuitState.Type

/** The sandboxes that are there before they are asked for. */
export const PoolMetrics = Schema.Struct({
  idle: count("Sandboxes that wait in the pool.", 2),
  target: count("How many it keeps, by the demand of late.", 2),
  hits: count("Executions that got their sandbox from the pool, since the start.", 40),
  misses: count("Executions that did not, since the start.", 3)
})
export type PoolMetrics = typeof PoolMetrics.Type

export const ProviderMetrics = Schema.Struct({
  circuit: CircuitState,
  pool: PoolMetrics.annotations({ description: "The sandboxes that are there before they are asked for." }),
  reapedSandboxes: count("Sandboxes that nobody held any more and that were ended, since the start."),
  launcherRestarts: count(
    "How often the embedded host has started its launcher of sandboxes again, since the start; 0 with another provider."
  )
})
export type ProviderMetrics = typeof ProviderMetrics.Type

/** Whether new work can be done. */
export const Readiness = Schema.Struct({
  ready: Schema.Boolean.annotations({ description: "Whether new work can be done." }),
  reason: Schema.optional(
    Schema.String.annotations({
      description: "Why it cannot. Absent: it can.",
      examples: ["The sandbox provider is down"]
    })
  )
})
export type Readiness = typeof Readiness.Type

/** How much agents use MCP. */
export const McpMetrics = Schema.Struct({
  sessions: count("Clients whose session is not over.", 2),
  activeRequests: count("Requests that are being answered, executions among them.", 1),
  requests: count("Requests of sessions, since the start.", 40)
})
export type McpMetrics = typeof McpMetrics.Type

export const SystemMetrics = Schema.Struct({
  activeExecutions: count("Executions that have their turn, of all users.", 3),
  queuedExecutions: count("Executions that wait for their turn, of all users.", 1),
  totalUsers: count("Users with an execution that runs or waits.", 2),
  utilizationPercent: count("Active executions as a whole percentage of the global limit.", 6),
  gpusInUse: count("GPUs that executions have, of all users.", 2),
  gpus: Schema.Array(Gpus).annotations({
    description:
      "The GPUs that executions can be given, by their kinds; of several replicas, at the one that answers."
  }),
  artifactBytes: count("Bytes of all artifacts that are kept, or about to be.", 1_048_576),
  openStreams: count(
    "Streams of updates that are being read: server-sent events, and what MCP clients are told.",
    2
  ),
  webhooks: Schema.optional(
    WebhookMetrics.annotations({
      description: "Messages to webhooks. Absent: none are sent, or they cannot be counted at present."
    })
  ),
  mcp: Schema.optional(
    McpMetrics.annotations({ description: "How much agents use `/mcp`. Absent: it is not served." })
  ),
  uploadBytes: count(
    "Bytes of all files that callers have sent and that are still there, each with 64 KiB more.",
    66_560
  ),
  ...ProviderMetrics.fields
})
export type SystemMetrics = typeof SystemMetrics.Type

export const UserMetrics = Schema.Struct({
  activeExecutions: count("The user's executions that have their turn.", 1),
  queuedExecutions: count("The user's executions that wait for their turn."),
  utilizationPercent: count("Active executions as a whole percentage of the limit for each user.", 20),
  gpusInUse: count("GPUs that the user's executions have.", 1),
  artifactBytes: count("Bytes of the user's artifacts that are kept, or about to be.", 1_048_576),
  openStreams: count("Streams of the user's executions that are being read.", 1),
  uploadBytes: count(
    "Bytes of the files that the user has sent and that are still there, each with 64 KiB more.",
    66_560
  )
})
export type UserMetrics = typeof UserMetrics.Type
