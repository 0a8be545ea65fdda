import type { SystemMetrics } from "@bulkhead/domain"

/** One metric as it is read off at the moment. */
export interface Sample {
  readonly name: string
  readonly type: "gauge" | "counter"
  readonly help: string
  readonly values: ReadonlyArray<{
    readonly labels: Readonly<Record<string, string>>
    readonly value: number
  }>
}

const single =
  (type: Sample["type"]) =>
  (name: string, help: string, value: number): Sample => ({
    name,
    type,
    help,
    values: [{ labels: {}, value }]
  })
const gauge = single("gauge")
const counter = single("counter")

const circuitStates = ["closed", "half-open", "open"] as const

const circuit = (state: SystemMetrics["circuit"]): Sample => ({
  name: "bulkhead_provider_circuit",
  type: "gauge",
  help: "1 for the state that the circuit breaker of the sandbox provider is in.",
  values: circuitStates.map((each) => ({ labels: { state: each }, value: each === state ? 1 : 0 }))
})

const webhooks = ({ delivered, failed, pending }: NonNullable<SystemMetrics["webhooks"]>): Sample => ({
  name: "bulkhead_webhook_messages",
  type: "gauge",
  help: "Messages to webhooks that are kept, by their state.",
  values: Object.entries({ pending, failed, delivered }).map(([state, value]) => ({
    labels: { state },
    value
  }))
})

const mcp = ({ activeRequests, requests, sessions }: NonNullable<SystemMetrics["mcp"]>) => [
  gauge("bulkhead_mcp_sessions", "Clients of MCP whose session is not over.", sessions),
  gauge("bulkhead_mcp_active_requests", "Requests of MCP that are being answered.", activeRequests),
  counter("bulkhead_mcp_requests_total", "Requests of MCP sessions.", requests)
]

/** What the service knows of itself, as samples. */
export const of = (
  now: SystemMetrics,
  limits: { readonly maxConcurrentSandboxes: number }
): ReadonlyArray<Sample> => [
  gauge("bulkhead_active_executions", "Executions that have their turn.", now.activeExecutions),
  gauge("bulkhead_gpus_in_use", "GPUs that executions have.", now.gpusInUse),
  gauge("bulkhead_queued_executions", "Executions that wait for their turn.", now.queuedExecutions),
  gauge(
    "bulkhead_max_active_executions",
    "The limit in force for those that have their turn.",
    limits.maxConcurrentSandboxes
  ),
  gauge("bulkhead_users", "Users with an execution that runs or waits.", now.totalUsers),
  gauge("bulkhead_open_streams", "Streams of updates that are being read.", now.openStreams),
  gauge("bulkhead_artifact_bytes", "Bytes of all artifacts that are kept.", now.artifactBytes),
  gauge(
    "bulkhead_upload_bytes",
    "Bytes of all files that callers have sent and that are still there.",
    now.uploadBytes
  ),
  circuit(now.circuit),
  gauge("bulkhead_pool_idle", "Sandboxes that wait in the pool.", now.pool.idle),
  gauge("bulkhead_pool_target", "Sandboxes that the pool keeps, by the demand of late.", now.pool.target),
  counter("bulkhead_pool_hits_total", "Executions that got their sandbox from the pool.", now.pool.hits),
  counter("bulkhead_pool_misses_total", "Executions that did not.", now.pool.misses),
  counter(
    "bulkhead_reaped_sandboxes_total",
    "Sandboxes that nobody held any more and that were ended.",
    now.reapedSandboxes
  ),
  counter(
    "bulkhead_launcher_restarts_total",
    "Starts of the embedded host's launcher after the first.",
    now.launcherRestarts
  ),
  ...(now.webhooks === undefined ? [] : [webhooks(now.webhooks)]),
  ...(now.mcp === undefined ? [] : mcp(now.mcp))
]
