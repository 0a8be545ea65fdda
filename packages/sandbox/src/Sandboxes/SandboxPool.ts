import type { PoolMetrics } from "@bulkhead/domain"
import { Duration, Effect, Option, Queue, Schedule } from "effect"
import type { LimitValues } from "../Limits.js"
import type { Timers } from "../Timers.js"
import type { HeldSandbox } from "./HeldSandbox.js"
import type { SandboxFailure } from "./SandboxProvider.js"

/** A sandbox that waits for its one execution. */
interface Idle {
  readonly sandbox: HeldSandbox
  readonly bornAt: number
}

/** Sandboxes that are there before they are asked for. Each serves one execution and is never taken back. */
export interface SandboxPool {
  /** One that lives, with this lifetime and now the caller's to release; none when there is none. Call it where nothing can interrupt before that. */
  readonly take: (lifetime: Duration.Duration) => Effect.Effect<Option.Option<HeldSandbox>>
  readonly metrics: Effect.Effect<PoolMetrics>
}

export interface PoolOptions {
  readonly limits: Pick<LimitValues, "poolMin" | "poolMax" | "poolMaxAge">
  /** How long a sandbox must live for an execution that asks for nothing special. */
  readonly usualLifetime: Duration.Duration
  /** Makes one that lives this long. */
  readonly create: (lifetime: Duration.Duration) => Effect.Effect<HeldSandbox, SandboxFailure>
  /** Returns when no execution waits for a sandbox to be made. */
  readonly whenCalm: Effect.Effect<void>
  readonly timers: Timers
}

/** A sandbox outlives its time in the pool by this much, so that one that is just taken does not die meanwhile. */
const lifetimeMargin = Duration.seconds(30)

/** One that was made no longer ago than this has just answered, and is not asked again. */
const freshness = Duration.seconds(1)

/** A sandbox that does not answer by then counts as dead. */
const healthBound = Duration.seconds(2)

/** When none can be made, the next try waits this long, then ever longer. */
const refillBackoff = Schedule.union(Schedule.exponential("500 millis"), Schedule.spaced("30 seconds"))

/** Keeps between `poolMin` and `poolMax` sandboxes: one more after each miss, one less after each that grew old unused. */
export const make = Effect.fnUntraced(function* ({
  create,
  limits,
  timers,
  usualLifetime,
  whenCalm
}: PoolOptions) {
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const { poolMax, poolMaxAge, poolMin } = limits
  const maxAge = Duration.seconds(poolMaxAge)
  const fresh = Duration.toMillis(freshness)
  const bornLifetime = Duration.max(
    Duration.sum(maxAge, lifetimeMargin),
    Duration.sum(usualLifetime, freshness)
  )
  const idle: Array<Idle> = []
  let target = poolMin
  let hits = 0
  let misses = 0
  const wanted = yield* Queue.sliding<void>(1)
  const ask = () => void Queue.unsafeOffer(wanted, undefined)

  const discard = ({ sandbox }: Idle) => Effect.asVoid(Effect.forkDaemon(sandbox.release))

  /** Whether it has just been made, and lives about as long as it should. */
  const isFresh = ({ bornAt }: Idle, lifetime: Duration.Duration) => {
    const surplus = bornAt + Duration.toMillis(bornLifetime) - now() - Duration.toMillis(lifetime)
    return now() - bornAt < fresh && surplus >= 0 && surplus <= fresh
  }

  const isAlive = (idle: Idle, lifetime: Duration.Duration) =>
    isFresh(idle, lifetime)
      ? Effect.succeed(true)
      : Effect.onInterrupt(
          Effect.interruptible(timers.succeedsWithin(idle.sandbox.renew(lifetime), healthBound)),
          () => discard(idle)
        )

  const miss = () => {
    misses++
    target = Math.min(poolMax, target + 1)
    ask()
    return Option.none()
  }

  /** Looks at so many, so that new ones which come as fast as they are found to be dead do not hold it up for ever. */
  const takeOneOf = (left: number, lifetime: Duration.Duration): Effect.Effect<Option.Option<HeldSandbox>> =>
    Effect.suspend(() => {
      const next = left > 0 ? idle.shift() : undefined
      if (next === undefined) return Effect.succeed(miss())
      ask()
      return Effect.flatMap(isAlive(next, lifetime), (lives) => {
        if (!lives) return Effect.zipRight(discard(next), takeOneOf(left - 1, lifetime))
        hits++
        return Effect.succeed(Option.some(next.sandbox))
      })
    })

  const take: SandboxPool["take"] = (lifetime) =>
    poolMax === 0
      ? Effect.succeedNone
      : Effect.uninterruptible(Effect.suspend(() => takeOneOf(idle.length, lifetime)))

  const add = Effect.zipRight(
    Effect.interruptible(whenCalm),
    Effect.map(create(bornLifetime), (sandbox) => {
      idle.push({ sandbox, bornAt: now() })
    })
  ).pipe(Effect.uninterruptible)

  const fill = Effect.whileLoop({
    while: () => idle.length < target,
    body: () => Effect.retry(add, refillBackoff),
    step: () => {}
  })

  const retire = Effect.gen(function* () {
    while (idle[0] !== undefined && now() - idle[0].bornAt >= Duration.toMillis(maxAge)) {
      const [old] = idle.splice(0, 1)
      target = Math.max(poolMin, target - 1)
      if (old) yield* discard(old)
    }
    ask()
  }).pipe(Effect.uninterruptible)

  /** Until the oldest of now may be too old, or the first that is yet to come. */
  const untilOld = Effect.suspend(() =>
    Effect.sleep(Duration.millis((idle[0]?.bornAt ?? now()) + Duration.toMillis(maxAge) - now()))
  )

  if (poolMax > 0) {
    const keepFull = Effect.forever(Effect.zipRight(fill, Queue.take(wanted)))
    // Beside the filling, which may wait for long.
    const keepFresh = Effect.forever(Effect.zipRight(untilOld, retire))
    yield* Effect.addFinalizer(() =>
      Effect.forEach(idle.splice(0), ({ sandbox }) => sandbox.release, { concurrency: "unbounded" })
    )
    yield* Effect.forkScoped(Effect.interruptible(keepFull))
    yield* Effect.forkScoped(Effect.interruptible(keepFresh))
  }

  const pool: SandboxPool = {
    take,
    metrics: Effect.sync(() => ({ idle: idle.length, target, hits, misses }))
  }
  return pool
})
