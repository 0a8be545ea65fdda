import {
  type ExecutionId,
  QueueTimeout,
  QuotaExceeded,
  SystemAtCapacity,
  type UserId
} from "@bulkhead/domain"
import { Duration, Effect, RcMap, type Scope } from "effect"
import { Limits } from "./Limits.js"

/** Whether an execution would start at once. */
export interface Admissibility {
  readonly allowed: boolean
  /** Present exactly when `allowed` is false. */
  readonly reason?: string
}

interface Tally {
  active: number
  waiting: number
}

/** The places in front of the sandboxes: so many in all, so many for each user, and a bounded queue for those who wait. */
export interface Admission {
  /** Takes a place for as long as the scope lives, waiting for one if need be. */
  readonly admit: (
    executionId: ExecutionId,
    userId: UserId
  ) => Effect.Effect<void, SystemAtCapacity | QuotaExceeded | QueueTimeout, Scope.Scope>
  /** Takes a place only if one is free. */
  readonly admitNow: (
    executionId: ExecutionId,
    userId: UserId
  ) => Effect.Effect<void, SystemAtCapacity | QuotaExceeded, Scope.Scope>
  readonly canStart: (userId: UserId) => Effect.Effect<Admissibility>
}

export const make: Effect.Effect<Admission, never, Limits | Scope.Scope> = Effect.gen(function* () {
  const limits = yield* Limits
  const everyone = yield* Effect.makeSemaphore(limits.maxConcurrentSandboxes)
  // A user's semaphore lives only while the user has something that runs or waits.
  const semaphores = yield* RcMap.make({
    lookup: (_: UserId) => Effect.makeSemaphore(limits.maxSandboxesPerUser)
  })

  const total: Tally = { active: 0, waiting: 0 }
  const users = new Map<UserId, Tally>()
  const tallyOf = (userId: UserId): Tally => users.get(userId) ?? { active: 0, waiting: 0 }
  const count = (userId: UserId, key: keyof Tally, by: 1 | -1) => {
    const tally = tallyOf(userId)
    tally[key] += by
    total[key] += by
    if (tally.active === 0 && tally.waiting === 0) users.delete(userId)
    else users.set(userId, tally)
  }
  const counted = (userId: UserId, key: keyof Tally) =>
    Effect.acquireRelease(
      Effect.sync(() => count(userId, key, 1)),
      () => Effect.sync(() => count(userId, key, -1))
    )

  const place = (semaphore: Effect.Semaphore) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.zipRight(
        restore(semaphore.take(1)),
        Effect.addFinalizer(() => semaphore.release(1))
      )
    )

  const places = Effect.fnUntraced(function* (userId: UserId) {
    yield* place(yield* RcMap.get(semaphores, userId))
    yield* place(everyone)
  })

  const refusal = (userId: UserId): string | undefined => {
    if (tallyOf(userId).active >= limits.maxSandboxesPerUser) {
      return `User limit reached: ${limits.maxSandboxesPerUser} executions at once`
    }
    if (total.active >= limits.maxConcurrentSandboxes) {
      return `System at capacity: ${limits.maxConcurrentSandboxes} executions at once`
    }
    return undefined
  }

  // By then everyone who waits now has had a turn or has left.
  const retryAfter = Math.ceil(limits.maxQueueWait)

  const queueBounds = Effect.fnUntraced(function* (executionId: ExecutionId, userId: UserId) {
    if (refusal(userId) === undefined) return
    if (tallyOf(userId).waiting >= limits.maxQueuedPerUser) {
      const message = `User quota exceeded: ${limits.maxQueuedPerUser} executions already wait`
      return yield* new QuotaExceeded({ executionId, message, retryAfter })
    }
    if (total.waiting >= limits.maxQueued) {
      const message = `System at capacity: ${limits.maxQueued} executions already wait`
      return yield* new SystemAtCapacity({ executionId, message, retryAfter })
    }
  })

  const queueTimeout = (executionId: ExecutionId) => () =>
    new QueueTimeout({
      executionId,
      message: `No place became free within ${limits.maxQueueWait} s`,
      retryAfter
    })

  const admit = Effect.fn("Admission.admit")(function* (executionId: ExecutionId, userId: UserId) {
    yield* queueBounds(executionId, userId)
    yield* Effect.acquireUseRelease(
      Effect.sync(() => count(userId, "waiting", 1)),
      () =>
        places(userId).pipe(
          Effect.timeoutFail({
            duration: Duration.seconds(limits.maxQueueWait),
            onTimeout: queueTimeout(executionId)
          })
        ),
      () => Effect.sync(() => count(userId, "waiting", -1))
    )
    yield* counted(userId, "active")
  })

  const admitNow = Effect.fn("Admission.admitNow")(function* (executionId: ExecutionId, userId: UserId) {
    const reason = refusal(userId) ?? (total.waiting > 0 ? "System at capacity: others wait" : undefined)
    if (reason !== undefined) return yield* new SystemAtCapacity({ executionId, message: reason, retryAfter })
    yield* counted(userId, "active")
    // Nobody waits, so the places counted free are free.
    yield* places(userId)
  })

  const canStart = (userId: UserId) =>
    Effect.sync((): Admissibility => {
      const reason = refusal(userId)
      return reason === undefined ? { allowed: true } : { allowed: false, reason }
    })

  return { admit, admitNow, canStart }
})
