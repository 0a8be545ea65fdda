import { type ExecutionId, ShuttingDown } from "@bulkhead/domain"
import type { Clock, Context } from "effect"
import type { Admission } from "./Admission/Admission.js"
import type { ArtifactGate } from "./ArtifactGate.js"
import type { Idempotency } from "./Execution/Idempotency.js"
import type { ExecutionRegistry } from "./Execution/LiveExecutions.js"
import type { LimitValues } from "./Limits.js"
import type { Books } from "./Record/ExecutionLog.js"
import type { ExecutionStore } from "./Record/ExecutionStore.js"
import type { PriceValues } from "./Record/Prices.js"
import type { Sandboxes } from "./Sandboxes/SandboxSupply.js"
import type { Toolchain } from "./Sandboxes/Toolchain.js"
import type { Timers } from "./Timers.js"

/** What all work of one service shares. */
export interface Shared {
  readonly registry: ExecutionRegistry
  readonly books: Books
  readonly prices: PriceValues
  readonly admission: Context.Tag.Service<Admission>
  readonly sandboxes: Context.Tag.Service<Sandboxes>
  readonly toolchain: Context.Tag.Service<Toolchain>
  readonly gate: Context.Tag.Service<ArtifactGate>
  readonly store: Context.Tag.Service<ExecutionStore>
  readonly idempotency: Idempotency
  readonly timers: Timers
  readonly clock: Clock.Clock
  /** As they are now. */
  limits: LimitValues
  /** Whether the service takes no new work. */
  isClosing: boolean
}

/** Seconds after which another instance, or this one restarted, is likely to be there. */
const restartTime = 10

export const shuttingDown = (executionId: ExecutionId) =>
  new ShuttingDown({ executionId, message: "The service is shutting down", retryAfter: restartTime })
