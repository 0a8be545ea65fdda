import { QuotaExceeded } from "@bulkhead/domain"
import { Clock, Effect } from "effect"
import type { LimitValues } from "../Limits.js"
import * as ExecutionLog from "../Record/ExecutionLog.js"
import { ExecutionStore } from "../Record/ExecutionStore.js"
import type { Admittee } from "./Admission.js"

const day = 86_400_000

/** Seconds after which enough of the past may have left the span that counts. */
const retryAfter = 3600

const dollars = (amount: number) => `$${amount.toFixed(2)}`

/** Refuses a user who has used up what the limits allow. What still runs counts once it has ended. */
export const check = Effect.fnUntraced(function* (
  { executionId, userId }: Admittee,
  { userBudgetDays, userBudgetUsd }: LimitValues
) {
  if (userBudgetUsd === 0) return
  const { usage } = yield* ExecutionStore
  const now = yield* Clock.currentTimeMillis
  const { items } = yield* Effect.mapError(usage({ userId, from: now - userBudgetDays * day }), () =>
    ExecutionLog.unavailable(executionId)
  )
  const used = items[0]?.costUsd ?? 0
  if (used < userBudgetUsd) return
  const message = `User quota exceeded: ${dollars(used)} of ${dollars(userBudgetUsd)} used in ${userBudgetDays} days`
  return yield* new QuotaExceeded({ executionId, message, retryAfter })
})
