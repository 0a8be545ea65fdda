import { type ExecutionId, QuotaExceeded, type UserId } from "@bulkhead/domain"
import { Clock, Effect } from "effect"
import * as Books from "./Books.js"
import { ExecutionStore } from "./ExecutionStore.js"
import type { LimitValues } from "./Limits.js"

const day = 86_400_000

/** Seconds after which enough of the past may have left the span that counts. */
const retryAfter = 3600

const dollars = (amount: number) => `$${amount.toFixed(2)}`

/** Refuses a user who has used up what the limits allow. What still runs counts once it has ended. */
export const check = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  userId: UserId,
  { userBudgetDays, userBudgetUsd }: LimitValues
) {
  if (userBudgetUsd === 0) return
  const store = yield* ExecutionStore
  const now = yield* Clock.currentTimeMillis
  const { items } = yield* Effect.mapError(store.usage({ userId, from: now - userBudgetDays * day }), () =>
    Books.unavailable(executionId)
  )
  const used = items[0]?.costUsd ?? 0
  if (used < userBudgetUsd) return
  const message = `User quota exceeded: ${dollars(used)} of ${dollars(userBudgetUsd)} used in ${userBudgetDays} days`
  return yield* new QuotaExceeded({ executionId, message, retryAfter })
})
