import { type ExecutionId, ShuttingDown } from "@bulkhead/domain"
import type { Deferred } from "effect"
import type { Admission } from "./Admission.js"
import type { ExecutionRegistry } from "./ExecutionRegistry.js"

/** What all work of one service shares. */
export interface Shared {
  readonly registry: ExecutionRegistry
  readonly admission: Admission
  /** Completes when the service takes no new work. */
  readonly closing: Deferred.Deferred<void>
}

/** Seconds after which another instance, or this one restarted, is likely to be there. */
const restartTime = 10

export const shuttingDown = (executionId: ExecutionId) =>
  new ShuttingDown({ executionId, message: "The service is shutting down", retryAfter: restartTime })
