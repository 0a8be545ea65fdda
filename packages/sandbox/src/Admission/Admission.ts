import {
  type AdmissionUnreachable,
  type ExecutionId,
  type Gpus,
  QueueTimeout,
  QuotaExceeded,
  type Refusal,
  SystemAtCapacity,
  type UserId
} from "@bulkhead/domain"
import { Context, Deferred, Duration, Effect, Layer, Option, Ref } from "effect"
import { Limits, type LimitValues } from "../Limits.js"
import { FairQueue, type Place } from "./FairQueue.js"
import { GpuLedger } from "./GpuLedger.js"
import { GpuLine } from "./GpuLine.js"
import { GpuSupply } from "./GpuSupply.js"

/** Whether an execution would start at once. */
export interface Admissibility {
  readonly allowed: boolean
  /** Present exactly when `allowed` is false. */
  readonly reason?: string
  /**
   * How many of those who wait now may have their turn before this one, at most. Present exactly when `allowed` is
   * false.
   */
  readonly ahead?: number
}

export interface Admittee {
  readonly executionId: ExecutionId
  readonly userId: UserId
  /** Absent: it needs none. */
  readonly gpus?: Gpus
}

/** How many have a permit, and how many wait for one. */
export interface Occupancy {
  readonly active: number
  readonly queued: number
  /** GPUs in use. */
  readonly gpus: number
}

/** An execution in the queue. `turn` completes when it has its permits, or must leave. */
interface Waiter extends Admittee {
  readonly turn: Deferred.Deferred<void, Refusal>
}

/**
 * Who may run now. A semaphore holds the cap of all and one for each user holds the user's cap; a fair queue hands out
 * their permits: round robin among users, first come first served for each. Who has a turn but lacks GPUs waits for them
 * beside the round, with everyone else of the same user behind.
 */
export class Admission extends Context.Tag("@bulkhead/sandbox/Admission")<
  Admission,
  {
    /** The GPUs that executions can be given, by their kinds. */
    readonly gpus: ReadonlyArray<Gpus>
    /**
     * Runs the effect with a permit, waiting for one if need be. `onWait` is told how many of those who wait may go
     * before, at most. An interrupt or the longest wait take the execution out of the queue at once.
     */
    readonly withPermit: <A, E, R>(
      who: Admittee,
      onWait: (ahead: number) => Effect.Effect<void>,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | Refusal, R>
    /** Takes a permit only if one is free, until `leave` gives it back. */
    readonly enterNow: (who: Admittee) => Effect.Effect<void, SystemAtCapacity>
    readonly leave: (who: Admittee) => Effect.Effect<void>
    readonly canStart: (userId: UserId) => Effect.Effect<Admissibility>
    /** How many of those who wait now may have their turn before this one, at most. None: it does not wait. */
    readonly aheadOf: (who: Admittee) => Effect.Effect<Option.Option<number>>
    /** Of everyone, and how many users they are. */
    readonly occupancy: Effect.Effect<Occupancy & { readonly users: number }>
    /** Of one user. */
    readonly occupancyOf: (userId: UserId) => Effect.Effect<Occupancy>
    /** Puts other limits in force. Who is in stays in; who waits is judged by the new ones. */
    readonly adjust: (limits: LimitValues) => Effect.Effect<void, AdmissionUnreachable>
    /** Sends away everyone who waits, and whoever comes for a permit from now on. */
    readonly dismiss: (refusal: (executionId: ExecutionId) => Refusal) => Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<Admission, never, Limits> = Layer.effect(
    Admission,
    Effect.flatMap(Limits, (limits) => make(limits))
  )
}

/** By then everyone who waits now has had a turn or has left. */
const retryAfter = ({ maxQueueWait }: LimitValues) => Math.ceil(maxQueueWait)

const queueTimeout = (executionId: ExecutionId, { maxQueueWait }: LimitValues) =>
  new QueueTimeout({
    executionId,
    message: `No place became free within ${maxQueueWait} s`,
    retryAfter: Math.ceil(maxQueueWait)
  })

const tooManyGpus = ({ executionId }: Admittee, limits: LimitValues) =>
  new QuotaExceeded({
    executionId,
    message: `User quota exceeded: ${Math.min(limits.maxGpus, limits.maxGpusPerUser)} GPUs at most`,
    retryAfter: retryAfter(limits)
  })

/**
 * How many permits are free: what a release of none answers. Fewer than none, when more are out than the cap now
 * allows.
 */
const free = (permits: Effect.Semaphore) => permits.release(0)

const make = Effect.fnUntraced(function* (initial: LimitValues) {
  const inForce = yield* Ref.make(initial)
  const permits = yield* Effect.makeSemaphore(initial.maxConcurrentSandboxes)
  /** Of every user who has a permit out. */
  const users = new Map<UserId, Effect.Semaphore>()
  const queue = new FairQueue<UserId, Waiter>()
  /** Present: whoever comes is sent away with it. */
  const dismissal = yield* Ref.make<((executionId: ExecutionId) => Refusal) | undefined>(undefined)
  const gpus = yield* GpuSupply
  const ledger = new GpuLedger(gpus)
  const gpuLine = new GpuLine<Waiter>(ledger)
  /** Permits are taken by one at a time, so that what was seen to be free still is. */
  const decide = (yield* Effect.makeSemaphore(1)).withPermits(1)

  const active = Effect.zipWith(free(permits), Ref.get(inForce), (left, { maxConcurrentSandboxes }) =>
    Math.max(0, maxConcurrentSandboxes - left)
  )
  const activeOf = Effect.fnUntraced(function* (userId: UserId) {
    const own = users.get(userId)
    if (own === undefined) return 0
    const { maxSandboxesPerUser } = yield* Ref.get(inForce)
    return maxSandboxesPerUser - (yield* free(own))
  })
  const isFull = Effect.map(free(permits), (left) => left <= 0)
  const userIsFull = (userId: UserId) =>
    Effect.suspend(() => {
      const own = users.get(userId)
      return own === undefined ? Effect.succeed(false) : Effect.map(free(own), (left) => left <= 0)
    })

  /** Why an execution has to wait, if it has to. */
  const obstacle = Effect.fnUntraced(function* ({ gpus, userId }: Omit<Admittee, "executionId">) {
    const limits = yield* Ref.get(inForce)
    const { maxConcurrentSandboxes, maxSandboxesPerUser } = limits
    if (yield* userIsFull(userId)) return `User limit reached: ${maxSandboxesPerUser} executions at once`
    if (yield* isFull) return `System at capacity: ${maxConcurrentSandboxes} executions at once`
    if (gpuLine.has(userId)) return "User limit reached: an earlier execution of the user waits for GPUs"
    return gpus && gpuObstacle(userId, gpus, limits)
  })
  const gpuObstacle = (userId: UserId, gpus: Gpus, limits: LimitValues) => {
    if (!ledger.userMay(userId, gpus, limits))
      return `User limit reached: ${limits.maxGpusPerUser} GPUs at once`
    if (ledger.allMay(gpus, limits) && ledger.areFree(gpus) && gpuLine.isEmpty) return undefined
    return `System at capacity: ${ledger.used} GPUs are in use`
  }

  /**
   * How many may go before one whose user has so many before it. In each round before its turn, everyone else has at
   * most one; but all may go while the user's own cap, or a want of GPUs, suspends its turns.
   */
  const aheadAt = Effect.fnUntraced(function* (userId: UserId, own: number, gpus: Gpus | undefined) {
    const { maxSandboxesPerUser } = yield* Ref.get(inForce)
    const all = queue.size - queue.sizeOf(userId) + own
    if (gpus !== undefined || waitsForGpus(userId)) return all
    if ((yield* activeOf(userId)) + own >= maxSandboxesPerUser) return all
    const others = queue.lineCount - (queue.sizeOf(userId) > 0 ? 1 : 0)
    return Math.min(all, own + (own + 1) * others)
  })
  /** How many may go before one that comes now. */
  const ahead = ({ gpus, userId }: Omit<Admittee, "executionId">) =>
    Effect.suspend(() => aheadAt(userId, queue.sizeOf(userId), gpus))

  const waitsForGpus = (userId: UserId) =>
    ledger.hasAny && queue.positionOf(userId, ({ gpus }) => gpus !== undefined) !== undefined

  /** Gives a user's line its turns, or takes them away. */
  const fitLine = Effect.fnUntraced(function* (userId: UserId) {
    if (gpuLine.has(userId) || (yield* userIsFull(userId))) queue.suspend(userId)
    else queue.resume(userId)
  })

  /** Takes the permits and the GPUs that were seen to be free. */
  const take = Effect.fnUntraced(function* ({ gpus, userId }: Admittee) {
    const own = users.get(userId) ?? (yield* makeUser)
    users.set(userId, own)
    yield* permits.take(1)
    yield* own.take(1)
    if (gpus !== undefined) ledger.take(userId, gpus)
    yield* fitLine(userId)
  })
  const makeUser = Effect.flatMap(Ref.get(inForce), ({ maxSandboxesPerUser }) =>
    Effect.makeSemaphore(maxSandboxesPerUser)
  )

  const waitForGpus = (place: Place<UserId, Waiter>) => {
    gpuLine.join(place)
    queue.suspend(place.value.userId)
  }

  /** Takes out of the queue someone who goes without a turn. */
  const takeOut = (place: Place<UserId, Waiter>) =>
    Effect.suspend(() => {
      gpuLine.leave(place)
      queue.remove(place)
      return fitLine(place.value.userId)
    })

  /** Turns those away for whose GPUs the limits have become too low. */
  const refuseImpossible = Effect.gen(function* () {
    const limits = yield* Ref.get(inForce)
    for (const place of gpuLine.impossible(limits)) {
      yield* takeOut(place)
      yield* Deferred.fail(place.value.turn, tooManyGpus(place.value, limits))
    }
  })

  /** Who goes next, if anyone can. Who only lacks GPUs waits for them beside the round. */
  const nextToGo = Effect.gen(function* () {
    while (true) {
      yield* refuseImpossible
      const full = yield* Effect.filter(gpuLine.users, userIsFull)
      const served = gpuLine.firstServed(yield* Ref.get(inForce), full)
      const place = served ?? queue.next
      if (place === undefined || place === served || place.value.gpus === undefined) return place
      waitForGpus(place)
    }
  })

  /** Hands permits to those who wait, as long as there are any. */
  const admitNext = Effect.gen(function* () {
    while (!(yield* isFull)) {
      const place = yield* nextToGo
      if (place === undefined) return
      gpuLine.leave(place)
      queue.take(place)
      yield* take(place.value)
      yield* Deferred.succeed(place.value.turn, undefined)
    }
  })

  const giveBack = Effect.fnUntraced(function* ({ gpus, userId }: Admittee) {
    const own = users.get(userId)
    if (own === undefined) return
    const { maxSandboxesPerUser } = yield* Ref.get(inForce)
    const left = yield* own.release(1)
    yield* permits.release(1)
    if (gpus !== undefined) ledger.giveBack(userId, gpus)
    if (left === maxSandboxesPerUser) users.delete(userId)
    yield* fitLine(userId)
    yield* admitNext
  })
  const leave = (who: Admittee) => Effect.uninterruptible(decide(giveBack(who)))

  const queueBounds = Effect.fnUntraced(function* ({ executionId, userId }: Admittee) {
    const limits = yield* Ref.get(inForce)
    if (queue.sizeOf(userId) >= limits.maxQueuedPerUser) {
      const message = `User quota exceeded: ${limits.maxQueuedPerUser} executions already wait`
      return yield* new QuotaExceeded({ executionId, message, retryAfter: retryAfter(limits) })
    }
    if (queue.size >= limits.maxQueued) {
      const message = `System at capacity: ${limits.maxQueued} executions already wait`
      return yield* new SystemAtCapacity({ executionId, message, retryAfter: retryAfter(limits) })
    }
  })

  const enterQueue = Effect.fnUntraced(function* (
    who: Admittee,
    onWait: (ahead: number) => Effect.Effect<void>
  ) {
    yield* queueBounds(who)
    yield* onWait(yield* ahead(who))
    const { executionId, gpus, userId } = who
    const turn = yield* Deferred.make<void, Refusal>()
    const waiter: Waiter = { executionId, userId, turn, ...(gpus && { gpus }) }
    const place = queue.push(userId, waiter, yield* userIsFull(userId))
    if (gpus !== undefined) yield* admitNext
    return place
  })

  /** Leaves the queue, or gives the permits that it has just got to the next. */
  const giveUp = (place: Place<UserId, Waiter>) =>
    Effect.suspend(() => {
      if (place.waits) return Effect.zipRight(takeOut(place), admitNext)
      return Effect.matchEffect(Deferred.await(place.value.turn), {
        onSuccess: () => giveBack(place.value),
        onFailure: () => Effect.void
      })
    }).pipe(decide, Effect.uninterruptible)

  const waitForTurn = (place: Place<UserId, Waiter>) =>
    Effect.flatMap(Ref.get(inForce), (limits) =>
      Deferred.await(place.value.turn).pipe(
        Effect.timeoutFail({
          duration: Duration.seconds(limits.maxQueueWait),
          onTimeout: () => queueTimeout(place.value.executionId, limits)
        })
      )
    ).pipe(Effect.withSpan("Admission.wait"))

  const checkOpen = ({ executionId }: Admittee) =>
    Effect.flatMap(Ref.get(dismissal), (refusal) =>
      refusal === undefined ? Effect.void : Effect.fail(refusal(executionId))
    )

  const enter = Effect.fnUntraced(function* (who: Admittee, onWait: (ahead: number) => Effect.Effect<void>) {
    const place = yield* decide(
      Effect.flatMap(Effect.zipRight(checkOpen(who), obstacle(who)), (found) =>
        found === undefined ? Effect.as(take(who), undefined) : enterQueue(who, onWait)
      )
    )
    if (place === undefined) return
    yield* Effect.interruptible(waitForTurn(place)).pipe(Effect.onError(() => giveUp(place)))
  })

  const enterNow = (who: Admittee) =>
    Effect.gen(function* () {
      const message = yield* obstacle(who)
      if (message === undefined) return yield* take(who)
      const limits = yield* Ref.get(inForce)
      return yield* new SystemAtCapacity({
        executionId: who.executionId,
        message,
        retryAfter: retryAfter(limits)
      })
    }).pipe(decide, Effect.uninterruptible)

  const fitUser = ([userId, own]: readonly [UserId, Effect.Semaphore]) =>
    Effect.gen(function* () {
      const { maxSandboxesPerUser } = yield* Ref.get(inForce)
      yield* own.resize(maxSandboxesPerUser)
      yield* fitLine(userId)
    })

  const adjust = (limits: LimitValues) =>
    Effect.gen(function* () {
      yield* Ref.set(inForce, limits)
      yield* permits.resize(limits.maxConcurrentSandboxes)
      yield* Effect.forEach([...users], fitUser, { discard: true })
      yield* admitNext
    }).pipe(decide, Effect.uninterruptible)

  return Admission.of({
    gpus,
    withPermit: (who, onWait, effect) =>
      Effect.acquireUseRelease(
        enter(who, onWait),
        () => effect,
        () => leave(who)
      ),
    enterNow,
    leave,
    canStart: Effect.fnUntraced(function* (userId: UserId) {
      const reason = yield* obstacle({ userId })
      return reason === undefined
        ? { allowed: true }
        : { allowed: false, reason, ahead: yield* ahead({ userId }) }
    }),
    aheadOf: Effect.fnUntraced(function* ({ executionId, userId }: Admittee) {
      const position = queue.positionOf(userId, (waiter) => waiter.executionId === executionId)
      if (position === undefined) return Option.none()
      return Option.some(yield* aheadAt(userId, position, undefined))
    }),
    occupancy: Effect.map(active, (count) => ({
      active: count,
      queued: queue.size,
      gpus: ledger.used,
      users: new Set([...users.keys(), ...queue.keys()]).size
    })),
    occupancyOf: (userId) =>
      Effect.map(activeOf(userId), (count) => ({
        active: count,
        queued: queue.sizeOf(userId),
        gpus: ledger.usedBy(userId)
      })),
    adjust,
    dismiss: (refusal) =>
      Effect.suspend(() => {
        gpuLine.clear()
        return Effect.forEach(
          [...queue.drain()],
          ({ executionId, turn }) => Deferred.fail(turn, refusal(executionId)),
          { discard: true }
        )
      }).pipe(Effect.zipLeft(Ref.set(dismissal, refusal)), decide, Effect.uninterruptible)
  })
})
