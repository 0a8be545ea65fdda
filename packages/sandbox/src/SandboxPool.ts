import type { PoolMetrics } from "@bulkhead/domain"
import { Clock, type Context, Duration, Effect, Exit, Option, Queue, Schedule, Scope } from "effect"
import { succeedsWithin } from "./Bounded.js"
import type { LimitValues } from "./Limits.js"
import type { Sandbox, SandboxFailure } from "./SandboxProvider.js"

type Service = Context.Tag.Service<Sandbox>

/** A sandbox that waits for its one execution. */
interface Idle {
  readonly sandbox: Service
  readonly scope: Scope.CloseableScope
  readonly bornAt: number
}

/** Sandboxes that are there before they are asked for. Each serves one execution and is never taken back. */
export interface SandboxPool {
  /** One that lives, now in the caller's scope and with this lifetime; none when there is none. */
  readonly take: (lifetime: Duration.Duration) => Effect.Effect<Option.Option<Service>, never, Scope.Scope>
  readonly metrics: Effect.Effect<PoolMetrics>
}

export interface PoolOptions {
  readonly limits: Pick<LimitValues, "poolMin" | "poolMax" | "poolMaxAge">
  /** How long a sandbox must live for an execution that asks for nothing special. */
  readonly usualLifetime: Duration.Duration
  /** Makes one that lives this long. */
  readonly create: (lifetime: Duration.Duration) => Effect.Effect<Service, SandboxFailure, Scope.Scope>
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

/** Keeps between `poolMin` and `poolMax` sandboxes: one more after each miss, one less after each that grew old unused. */
export const make = Effect.fnUntraced(function* ({ create, limits, usualLifetime, whenCalm }: PoolOptions) {
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
  const ask = Queue.offer(wanted, undefined)

  const discard = ({ scope }: Idle) => Effect.forkDaemon(Effect.interruptible(Scope.close(scope, Exit.void)))

  /** Whether it has just been made, and lives about as long as it should. */
  const isFresh = ({ bornAt }: Idle, lifetime: Duration.Duration, now: number) => {
    const surplus = bornAt + Duration.toMillis(bornLifetime) - now - Duration.toMillis(lifetime)
    return now - bornAt < fresh && surplus >= 0 && surplus <= fresh
  }

  const isAlive = (idle: Idle, lifetime: Duration.Duration) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      isFresh(idle, lifetime, now)
        ? Effect.succeed(true)
        : Effect.interruptible(succeedsWithin(idle.sandbox.renew(lifetime), healthBound))
    )

  const take: SandboxPool["take"] = (lifetime) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        if (poolMax === 0) return Option.none()
        // Only those that are there now: new ones may come as fast as they are found to be dead.
        for (let left = idle.length; left > 0; left--) {
          const next = idle.shift()
          if (next === undefined) break
          // In the caller's scope before anything else, so that no interrupt can lose it.
          yield* Effect.addFinalizer((exit) => Scope.close(next.scope, exit))
          yield* ask
          if (yield* restore(isAlive(next, lifetime))) {
            hits++
            return Option.some(next.sandbox)
          }
          yield* discard(next)
        }
        misses++
        target = Math.min(poolMax, target + 1)
        yield* ask
        return Option.none()
      })
    )

  const add = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      yield* restore(whenCalm)
      const scope = yield* Scope.make()
      const sandbox = yield* restore(Scope.extend(create(bornLifetime), scope)).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      idle.push({ sandbox, scope, bornAt: yield* Clock.currentTimeMillis })
    })
  )

  const fill = Effect.whileLoop({
    while: () => idle.length < target,
    body: () => Effect.retry(add, refillBackoff),
    step: () => {}
  })

  const retire = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    while (idle[0] !== undefined && now - idle[0].bornAt >= Duration.toMillis(maxAge)) {
      const [old] = idle.splice(0, 1)
      target = Math.max(poolMin, target - 1)
      if (old) yield* discard(old)
    }
    yield* ask
  }).pipe(Effect.uninterruptible)

  /** Until the oldest of now may be too old, or the first that is yet to come. */
  const untilOld = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.sleep(Duration.millis((idle[0]?.bornAt ?? now) + Duration.toMillis(maxAge) - now))
  )

  if (poolMax > 0) {
    const keepFull = Effect.forever(Effect.zipRight(fill, Queue.take(wanted)))
    // Beside the filling, which may wait for long.
    const keepFresh = Effect.forever(Effect.zipRight(untilOld, retire))
    yield* Effect.addFinalizer(() =>
      Effect.forEach(idle.splice(0), ({ scope }) => Scope.close(scope, Exit.void), {
        concurrency: "unbounded"
      })
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
