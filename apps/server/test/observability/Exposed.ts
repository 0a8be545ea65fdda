import "@bulkhead/artifacts"
import "@bulkhead/store"
import "@bulkhead/webhooks"
import type { SystemMetrics } from "@bulkhead/domain"
import { Instruments } from "@bulkhead/sandbox"
import "../../src/observability/RequestObserver.js"
import * as SystemSamples from "../../src/observability/SystemSamples.js"

const now: SystemMetrics = {
  activeExecutions: 0,
  queuedExecutions: 0,
  totalUsers: 0,
  utilizationPercent: 0,
  artifactBytes: 0,
  openStreams: 0,
  uploadBytes: 0,
  webhooks: { pending: 0, failed: 0, delivered: 0 },
  mcp: { sessions: 0, activeRequests: 0, requests: 0 },
  gpusInUse: 0,
  gpus: [],
  circuit: "closed",
  pool: { idle: 0, target: 0, hits: 0, misses: 0 },
  reapedSandboxes: 0,
  launcherRestarts: 0
}

const samples = SystemSamples.of(now, { maxConcurrentSandboxes: 1 }).map(({ help, name, type, values }) => ({
  ...{ help, name, type },
  labels: Object.keys(values[0]?.labels ?? {})
}))

/** Every metric of ours. */
export const all = [...Instruments.described(), ...samples].toSorted((one, other) =>
  one.name < other.name ? -1 : 1
)

const suffixes = { counter: [""], gauge: [""], histogram: ["_bucket", "_sum", "_count"] } as const

/** Every name that a query may have: also those of the process that the files in `deploy` use. */
export const names: ReadonlySet<string> = new Set([
  ...all.flatMap(({ name, type }) => suffixes[type].map((suffix) => `${name}${suffix}`)),
  "nodejs_eventloop_lag_p99_seconds",
  "process_resident_memory_bytes"
])
