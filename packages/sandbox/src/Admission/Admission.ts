import {
  type ExecutionId,
  QueueTimeout,
  QuotaExceeded,
  type Refusal,
  SystemAtCapacity,
  type UserId
} from "@bulkhead/domain"
import { Context, Deferred, Duration, Effect, Exit, Layer } from "effect"
import { KilledEarly, type KillSwitch } from "../Execution/KillSwitch.js"
import { Limits, type LimitValues } from "../Limits.js"
import { FairQueue, type Place } from "./FairQueue.js"

/** Whether an execution would start at once. */
export interface Admissibility {
  readonly allowed: boolean
  /** Present exactly when `allowed` is false. */
  readonly reason?: string
  /** How many of those who wait now may have their turn before this one, at most. Present exactly when `allowed` is false. */
  readonly ahead?: number
}

export interface Admittee {
  readonly executionId: ExecutionId
  readonly userId: UserId
}

/** How many have a place, and how many wait for one. */
export interface Occupancy {
  readonly active: number
  readonly queued: number
}

/** A user with an execution that runs. */
interface ActiveUser {
  readonly permits: Effect.Semaphore
  active: number
}

/** An execution in the queue; `turn` completes when it may go, or must. */
interface Waiter extends Admittee {
  readonly turn: Deferred.Deferred<void, Refusal | KilledEarly>
  admitted: boolean
}

/** Who may go now, by the limits; with one fair queue for those who may not: round robin among users, first come first served for each. */
export class Admission extends Context.Tag("@bulkhead/sandbox/Admission")<
  Admission,
  {
    /**
     * Runs the effect in a place, waiting for one if need be. `onWait` is told how many of those who wait may go before, at most. A kill, an
     * interrupt or the longest wait take the execution out of the queue at once.
     */
    readonly withPlace: <A, E, R>(
      who: Admittee,
      killSwitch: KillSwitch,
      onWait: (ahead: number) => void,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | Refusal | KilledEarly, R>
    /** Takes a place only if one is free, until `leave` gives it back. */
    readonly enterNow: (who: Admittee) => Effect.Effect<void, SystemAtCapacity>
    readonly leave: (userId: UserId) => Effect.Effect<void>
    readonly canStart: (userId: UserId) => Effect.Effect<Admissibility>
    /** Of everyone, and how many users they are. */
    readonly occupancy: Effect.Effect<Occupancy & { readonly users: number }>
    /** Of one user. */
    readonly occupancyOf: (userId: UserId) => Effect.Effect<Occupancy>
    /** Puts other limits in force. Who is in stays in; who waits is judged by the new ones. */
    readonly adjust: (limits: LimitValues) => Effect.Effect<void>
    /** Sends everyone who waits away. */
    readonly dismiss: (refusal: (who: Admittee) => Refusal) => Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<Admission, never, Limits> = Layer.effect(
    Admission,
    Effect.flatMap(Limits, (limits) => make(limits))
  )
}

/** By then everyone who waits now has had a turn or has left. */
const retryAfter = ({ maxQueueWait }: LimitValues) => Math.ceil(maxQueueWait)

const make = Effect.fnUntraced(function* (initial: LimitValues) {
  let limits = initial
  let active = 0
  const permits = yield* Effect.makeSemaphore(initial.maxConcurrentSandboxes)
  const users = new Map<UserId, ActiveUser>()
  const queue = new FairQueue<UserId, Waiter>()

  const activeOf = (userId: UserId) => users.get(userId)?.active ?? 0
  const userIsFull = (userId: UserId) => activeOf(userId) >= limits.maxSandboxesPerUser

  const refusal = (userId: UserId): string | undefined => {
    if (userIsFull(userId)) return `User limit reached: ${limits.maxSandboxesPerUser} executions at once`
    if (active >= limits.maxConcurrentSandboxes) {
      return `System at capacity: ${limits.maxConcurrentSandboxes} executions at once`
    }
    return undefined
  }

  /** In each round before its turn, everyone else has at most one; but all may go while the user's own cap suspends its turns. */
  const ahead = (userId: UserId) => {
    const own = queue.sizeOf(userId)
    if (activeOf(userId) + own >= limits.maxSandboxesPerUser) return queue.size
    const others = queue.lineCount - (own > 0 ? 1 : 0)
    return Math.min(queue.size, own + (own + 1) * others)
  }

  const enter = (userId: UserId) => {
    const user = users.get(userId) ?? {
      permits: Effect.unsafeMakeSemaphore(limits.maxSandboxesPerUser),
      active: 0
    }
    users.set(userId, user)
    active++
    user.active++
    if (userIsFull(userId)) queue.hold(userId)
  }

  /** Gives places to those who wait, as long as there are any. */
  const admitNext = () => {
    while (active < limits.maxConcurrentSandboxes) {
      const waiter = queue.shift()
      if (waiter === undefined) return
      enter(waiter.userId)
      waiter.admitted = true
      Deferred.unsafeDone(waiter.turn, Exit.void)
    }
  }

  const exit = (userId: UserId) => {
    const user = users.get(userId)
    if (user === undefined) return
    active--
    user.active--
    if (user.active === 0) users.delete(userId)
    if (!userIsFull(userId)) queue.release(userId)
    admitNext()
  }

  // The queue says who may go, and the permits hold the caps whatever it says: there is always one for whoever it lets go.
  const takePermits = (userId: UserId) =>
    Effect.suspend(() => Effect.zipRight(permits.take(1), users.get(userId)?.permits.take(1) ?? Effect.void))
  /** As many permits as the limits say; more only for those who were in before the limits fell. */
  const fitAll = Effect.suspend(() => permits.resize(Math.max(limits.maxConcurrentSandboxes, active)))
  const fitUser = (userId: UserId) =>
    Effect.suspend(() => {
      const user = users.get(userId)
      return user ? user.permits.resize(Math.max(limits.maxSandboxesPerUser, user.active)) : Effect.void
    })
  /** Until then there are exactly as many permits as the limits say. */
  let wasAdjusted = false
  const fit = (userId: UserId) => (wasAdjusted ? Effect.zipRight(fitAll, fitUser(userId)) : Effect.void)
  const leave = (userId: UserId) =>
    Effect.suspend(() => {
      const user = users.get(userId)
      if (user === undefined) return Effect.void
      return Effect.flatMap(Effect.zipRight(user.permits.release(1), permits.release(1)), () => {
        exit(userId)
        return fit(userId)
      })
    }).pipe(Effect.uninterruptible)

  const queueBounds = ({ executionId, userId }: Admittee) => {
    if (queue.sizeOf(userId) >= limits.maxQueuedPerUser) {
      const message = `User quota exceeded: ${limits.maxQueuedPerUser} executions already wait`
      return new QuotaExceeded({ executionId, message, retryAfter: retryAfter(limits) })
    }
    if (queue.size >= limits.maxQueued) {
      const message = `System at capacity: ${limits.maxQueued} executions already wait`
      return new SystemAtCapacity({ executionId, message, retryAfter: retryAfter(limits) })
    }
    return undefined
  }

  const queueTimeout = (executionId: ExecutionId, { maxQueueWait }: LimitValues) =>
    new QueueTimeout({
      executionId,
      message: `No place became free within ${maxQueueWait} s`,
      retryAfter: Math.ceil(maxQueueWait)
    })

  /** A turn that comes too late, to one who has left, goes to the next. */
  const giveUp = (waiter: Waiter, place: Place<UserId, Waiter>) =>
    Effect.sync(() => {
      if (waiter.admitted) exit(waiter.userId)
      else queue.remove(place)
    })

  const wait = Effect.fnUntraced(function* (
    who: Admittee,
    killSwitch: KillSwitch,
    onWait: (ahead: number) => void
  ) {
    const turn = yield* Deferred.make<void, Refusal | KilledEarly>()
    const full = queueBounds(who)
    if (full !== undefined) return yield* full
    const atMostAhead = ahead(who.userId)
    const waiter: Waiter = { ...who, turn, admitted: false }
    const place = queue.push(who.userId, waiter, userIsFull(who.userId))
    onWait(atMostAhead)
    // A place may have become free since there was none.
    admitNext()
    const stopListening = killSwitch.listen((request) => {
      if (queue.remove(place)) Deferred.unsafeDone(waiter.turn, Exit.fail(new KilledEarly(request)))
    })
    const atWait = limits
    yield* Deferred.await(waiter.turn).pipe(
      Effect.timeoutFail({
        duration: Duration.seconds(atWait.maxQueueWait),
        onTimeout: () => queueTimeout(who.executionId, atWait)
      }),
      Effect.interruptible,
      Effect.onError(() => giveUp(waiter, place)),
      Effect.ensuring(Effect.sync(stopListening))
    )
  })

  const take = (who: Admittee, killSwitch: KillSwitch, onWait: (ahead: number) => void) =>
    Effect.suspend(() => {
      if (refusal(who.userId) !== undefined) {
        return Effect.zipRight(wait(who, killSwitch, onWait), takePermits(who.userId))
      }
      enter(who.userId)
      return takePermits(who.userId)
    })

  const enterNow = ({ executionId, userId }: Admittee) =>
    Effect.suspend(() => {
      const message = refusal(userId)
      if (message !== undefined) {
        return new SystemAtCapacity({ executionId, message, retryAfter: retryAfter(limits) })
      }
      enter(userId)
      return takePermits(userId)
    }).pipe(Effect.uninterruptible)

  const canStart = (userId: UserId) =>
    Effect.sync((): Admissibility => {
      const reason = refusal(userId)
      return reason === undefined ? { allowed: true } : { allowed: false, reason, ahead: ahead(userId) }
    })

  const occupancy = Effect.sync(() => ({
    active,
    queued: queue.size,
    users: new Set([...users.keys(), ...queue.keys()]).size
  }))

  const occupancyOf = (userId: UserId) =>
    Effect.sync(() => ({ active: activeOf(userId), queued: queue.sizeOf(userId) }))

  const adjust = Effect.fnUntraced(function* (changed: LimitValues) {
    limits = changed
    wasAdjusted = true
    for (const userId of users.keys()) {
      if (userIsFull(userId)) queue.hold(userId)
      else queue.release(userId)
    }
    yield* fitAll
    yield* Effect.forEach([...users.keys()], fitUser, { discard: true })
    admitNext()
  }, Effect.uninterruptible)

  const dismiss = (refusal: (who: Admittee) => Refusal) =>
    Effect.sync(() => {
      for (const waiter of queue.drain()) Deferred.unsafeDone(waiter.turn, Exit.fail(refusal(waiter)))
    })

  return Admission.of({
    withPlace: (who, killSwitch, onWait, effect) =>
      Effect.acquireUseRelease(
        take(who, killSwitch, onWait),
        () => effect,
        () => leave(who.userId)
      ),
    enterNow,
    leave,
    canStart,
    occupancy,
    occupancyOf,
    adjust,
    dismiss
  })
})
