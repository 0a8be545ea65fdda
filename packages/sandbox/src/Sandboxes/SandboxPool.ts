import type { PoolMetrics } from "@bulkhead/domain"
import { Array as Arr, Duration, Effect, Exit, Option, Queue, Ref, Schedule } from "effect"
import type { LimitValues } from "../Limits.js"
import * as SteadyClock from "../SteadyClock.js"
import type { OwnedSandbox } from "./OwnedSandbox.js"
import type { SandboxFailure } from "./SandboxProvider.js"

/** A sandbox that waits for its one execution. */
interface Idle {
  readonly sandbox: OwnedSandbox
  readonly bornAt: number
}

interface Pool extends Omit<PoolMetrics, "idle"> {
  /** Oldest first. */
  readonly idle: ReadonlyArray<Idle>
}

/** Sandboxes that are there before they are asked for. Each serves one execution and is never taken back. */
export interface SandboxPool {
  /**
   * One that lives, with this lifetime, and now the caller's to close; none when there is none. Call it where nothing
   * can interrupt before it has an owner, as in `Effect.acquireRelease`.
   */
  readonly take: (lifetime: Duration.Duration) => Effect.Effect<Option.Option<OwnedSandbox>>
  readonly metrics: Effect.Effect<PoolMetrics>
}

export interface PoolOptions {
  readonly limits: Pick<LimitValues, "poolMin" | "poolMax" | "poolMaxAge">
  /** How long a sandbox must live for an execution that asks for nothing special. */
  readonly usualLifetime: Duration.Duration
  /** Makes one that lives this long. */
  readonly create: (lifetime: Duration.Duration) => Effect.Effect<OwnedSandbox, SandboxFailure>
  /** Ends one in bounded time. */
  readonly close: (sandbox: OwnedSandbox) => Effect.Effect<void>
  /** Returns when no execution waits for a sandbox to be made. */
  readonly whenCalm: Effect.Effect<void>
}

/** A sandbox outlives its time in the pool by this much, so that one that is just taken does not die meanwhile. */
const lifetimeMargin = Duration.seconds(30)

/** One that was made no longer ago than this has just answered, and is not asked again. */
const freshness = Duration.seconds(1)

/** A sandbox that does not answer by then counts as dead. */
const healthBound = Duration.seconds(2)

/** When none can be made, the next try waits this long, then ever longer. */
const refillBackoff = Schedule.union(Schedule.exponential("500 millis"), Schedule.spaced("30 seconds"))

/**
 * Keeps between `poolMin` and `poolMax` sandboxes: one more after each miss, one less after each that grew old unused.
 */
export const make = Effect.fnUntraced(function* ({
  close,
  create,
  limits,
  usualLifetime,
  whenCalm
}: PoolOptions) {
  const { poolMax, poolMaxAge, poolMin } = limits
  const maxAge = Duration.seconds(poolMaxAge)
  const fresh = Duration.toMillis(freshness)
  const bornLifetime = Duration.max(
    Duration.sum(maxAge, lifetimeMargin),
    Duration.sum(usualLifetime, freshness)
  )
  const pool = yield* Ref.make<Pool>({ idle: [], target: poolMin, hits: 0, misses: 0 })
  const wanted = yield* Queue.sliding<void>(1)
  const ask = Queue.offer(wanted, undefined)

  const discard = ({ sandbox }: Idle) => Effect.forkDaemon(Effect.interruptible(close(sandbox)))

  /** Whether it has just been made, and lives about as long as it should. */
  const isFresh = ({ bornAt }: Idle, lifetime: Duration.Duration, now: number) => {
    const surplus = bornAt + Duration.toMillis(bornLifetime) - now - Duration.toMillis(lifetime)
    return now - bornAt < fresh && surplus >= 0 && surplus <= fresh
  }

  const answers = (idle: Idle, lifetime: Duration.Duration) =>
    idle.sandbox.renew(lifetime).pipe(
      Effect.disconnect,
      Effect.timeout(healthBound),
      Effect.exit,
      Effect.map(Exit.isSuccess),
      Effect.interruptible,
      Effect.onInterrupt(() => discard(idle))
    )

  const isAlive = (idle: Idle, lifetime: Duration.Duration) =>
    Effect.flatMap(SteadyClock.now, (now) =>
      isFresh(idle, lifetime, now) ? Effect.succeed(true) : answers(idle, lifetime)
    )

  const shift = Ref.modify(pool, (current): readonly [Option.Option<Idle>, Pool] => [
    Arr.head(current.idle),
    { ...current, idle: current.idle.slice(1) }
  ])
  const countHit = Ref.update(pool, (current) => ({ ...current, hits: current.hits + 1 }))
  const countMiss = Ref.update(pool, (current) => ({
    ...current,
    misses: current.misses + 1,
    target: Math.min(poolMax, current.target + 1)
  }))

  const miss = Effect.as(Effect.zipRight(countMiss, ask), Option.none<OwnedSandbox>())

  /** Looks at so many, so that new ones which come as fast as they are found to be dead do not hold it up for ever. */
  const takeOneOf = (left: number, lifetime: Duration.Duration): Effect.Effect<Option.Option<OwnedSandbox>> =>
    Effect.gen(function* () {
      if (left === 0) return yield* miss
      const next = yield* shift
      if (Option.isNone(next)) return yield* miss
      yield* ask
      if (!(yield* isAlive(next.value, lifetime))) {
        yield* discard(next.value)
        return yield* takeOneOf(left - 1, lifetime)
      }
      yield* countHit
      return Option.some(next.value.sandbox)
    })

  const take: SandboxPool["take"] = (lifetime) =>
    poolMax === 0
      ? Effect.succeedNone
      : Effect.uninterruptible(Effect.flatMap(Ref.get(pool), ({ idle }) => takeOneOf(idle.length, lifetime)))

  const add = Effect.gen(function* () {
    yield* Effect.interruptible(whenCalm)
    const sandbox = yield* create(bornLifetime)
    const bornAt = yield* SteadyClock.now
    yield* Ref.update(pool, (current) => ({ ...current, idle: [...current.idle, { sandbox, bornAt }] }))
  }).pipe(Effect.uninterruptible)

  const isShort = Effect.map(Ref.get(pool), ({ idle, target }) => idle.length < target)

  const keepFull = Effect.gen(function* () {
    while (yield* isShort) yield* Effect.retry(add, refillBackoff)
    yield* Queue.take(wanted)
  }).pipe(Effect.forever)

  const takeOld = Effect.flatMap(SteadyClock.now, (now) =>
    Ref.modify(pool, (current): readonly [ReadonlyArray<Idle>, Pool] => {
      const old = Arr.takeWhile(current.idle, ({ bornAt }) => now - bornAt >= Duration.toMillis(maxAge))
      const target = Math.max(poolMin, current.target - old.length)
      return [old, { ...current, target, idle: current.idle.slice(old.length) }]
    })
  )

  const retire = Effect.flatMap(takeOld, (old) =>
    Effect.zipRight(Effect.forEach(old, discard, { discard: true }), ask)
  ).pipe(Effect.uninterruptible)

  /** Until the oldest of now may be too old, or the first that is yet to come. */
  const untilOld = Effect.gen(function* () {
    const { idle } = yield* Ref.get(pool)
    const now = yield* SteadyClock.now
    yield* Effect.sleep(Duration.millis((idle[0]?.bornAt ?? now) + Duration.toMillis(maxAge) - now))
  })

  // Beside the filling, which may wait for long.
  const keepFresh = Effect.forever(Effect.zipRight(untilOld, retire))

  const closeAll = Effect.flatMap(
    Ref.getAndUpdate(pool, (current) => ({ ...current, idle: [] })),
    ({ idle }) => Effect.forEach(idle, ({ sandbox }) => close(sandbox), { concurrency: "unbounded" })
  )

  if (poolMax > 0) {
    yield* Effect.addFinalizer(() => closeAll)
    yield* Effect.forkScoped(Effect.interruptible(keepFull))
    yield* Effect.forkScoped(Effect.interruptible(keepFresh))
  }

  const service: SandboxPool = {
    take,
    metrics: Effect.map(Ref.get(pool), ({ idle, ...counts }) => ({ ...counts, idle: idle.length }))
  }
  return service
})
