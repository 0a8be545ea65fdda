import { type ExecutionId, ShuttingDown } from "@bulkhead/domain"
import type { Clock, Context } from "effect"
import type { Admission } from "./Admission.js"
import type { ArtifactGate } from "./ArtifactGate.js"
import type { Books } from "./Books.js"
import type { ExecutionRegistry } from "./ExecutionRegistry.js"
import type { ExecutionStore } from "./ExecutionStore.js"
import type { Idempotency } from "./Idempotency.js"
import type { LimitValues } from "./Limits.js"
import type { PriceValues } from "./Prices.js"
import type { Sandboxes } from "./Sandboxes.js"
import type { Timers } from "./Timers.js"
import type { Toolchain } from "./Toolchain.js"

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
