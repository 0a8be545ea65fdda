import type { Readiness, SystemMetrics } from "./Metrics.js"

/** How busy the system was at a moment, for plots. */
export interface LoadSample {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly active: number
  readonly queued: number
  readonly users: number
  readonly poolIdle: number
  readonly poolTarget: number
}

/** How busy the system is. */
export interface LoadTick {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly metrics: SystemMetrics
  readonly readiness: Readiness
  /** Changes whenever an execution came, went on or ended. */
  readonly revision: number
}
