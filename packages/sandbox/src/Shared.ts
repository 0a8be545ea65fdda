import { type ExecutionId, ShuttingDown } from "@bulkhead/domain"
import type { Context } from "effect"
import type { Admission } from "./Admission.js"
import type { ExecutionRegistry } from "./ExecutionRegistry.js"
import type { Pending } from "./Idempotency.js"
import type { LimitValues } from "./Limits.js"

/** What all work of one service shares. */
export interface Shared {
  readonly registry: ExecutionRegistry
  readonly admission: Context.Tag.Service<Admission>
  /** What runs or waits under an idempotency key, by user and key. */
  readonly pending: Map<string, Pending>
  /** As they are now. */
  limits: LimitValues
  /** Whether the service takes no new work. */
  isClosing: boolean
}

/** Seconds after which another instance, or this one restarted, is likely to be there. */
const restartTime = 10

export const shuttingDown = (executionId: ExecutionId) =>
  new ShuttingDown({ executionId, message: "The service is shutting down", retryAfter: restartTime })
