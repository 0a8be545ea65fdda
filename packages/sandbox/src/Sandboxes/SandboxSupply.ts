import type { ExecutionId, ProviderMetrics } from "@bulkhead/domain"
import { Context, Duration, Effect, Exit, Layer, Option, RateLimiter } from "effect"
import { Limits, type LimitValues } from "../Limits.js"
import * as Timers from "../Timers.js"
import * as CircuitBreaker from "./CircuitBreaker.js"
import type { HeldSandbox } from "./HeldSandbox.js"
import { Instance } from "./InstanceName.js"
import * as Reaper from "./Reaper.js"
import * as SandboxPool from "./SandboxPool.js"
import { type Sandbox, type SandboxFailure, SandboxProvider } from "./SandboxProvider.js"

type Service = Context.Tag.Service<Sandbox>

/** What a sandbox is for, as its provider's list tells it. */
type Purpose = { readonly executionId: ExecutionId } | { readonly purpose: "toolchain" | "pool" }

/** What sandboxes are tagged with. */
const service = "bulkhead"

/** A sandbox lives this much longer than its program may, for what comes before and after. */
const lifetimeMargin = Duration.seconds(60)

/** How long a sandbox must live for a program that may run for `timeout` seconds. */
export const lifetimeFor = (timeout: number, { killGracePeriod }: Pick<LimitValues, "killGracePeriod">) =>
  Duration.sum(Duration.seconds(timeout + killGracePeriod), lifetimeMargin)

/** How long the end of a sandbox may take before it is left to the reaper. */
const destroyBound = Duration.seconds(10)

/** Where executions get their sandboxes, and where it is seen to that none is left behind. */
export class Sandboxes extends Context.Tag("@bulkhead/sandbox/Sandboxes")<
  Sandboxes,
  {
    /** A fresh sandbox, for this purpose alone, and the caller's to release. Call it where nothing can interrupt before it is held. */
    readonly create: (
      purpose: Purpose,
      lifetime: Duration.Duration
    ) => Effect.Effect<HeldSandbox, SandboxFailure>
    readonly metrics: Effect.Effect<ProviderMetrics>
  }
>() {
  static readonly layer: Layer.Layer<Sandboxes, never, Limits | SandboxProvider> = Layer.scoped(
    Sandboxes,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const limits = yield* Limits
  const provider = yield* SandboxProvider
  // Tells the sandboxes of this life from those that an earlier one left behind.
  const life = globalThis.crypto.randomUUID()
  const tags = { service, instance: (yield* Instance) ?? life }

  /** What this life holds is not the reaper's business, from before it is there until it is known to be gone. */
  const held = new Set<string>()
  const reaper = yield* Reaper.make({
    provider,
    tags,
    holder: () => {
      const now = new Set(held)
      return ({ metadata }) => metadata.life === life && now.has(metadata.hold ?? "")
    },
    interval: limits.reaperInterval
  })
  const letGo = (hold: string, isGone: boolean) => {
    held.delete(hold)
    if (!isGone) reaper.wake()
  }

  const timers = yield* Timers.make
  const pace = yield* pacing(limits.maxCreatesPerSecond)
  const breaker = yield* CircuitBreaker.make(limits)

  const release = (sandbox: Service, hold: string) =>
    Effect.map(
      timers.succeedsWithin(
        Effect.tapError(sandbox.destroy, (failure) => Effect.logWarning("Sandbox not destroyed", failure)),
        destroyBound
      ),
      (isGone) => {
        letGo(hold, isGone)
        return isGone
      }
    )

  let holds = 0
  const createHeld = (purpose: Purpose, lifetime: Duration.Duration) =>
    Effect.suspend(() => {
      const hold = String(++holds)
      held.add(hold)
      const metadata = { ...tags, life, hold, ...purpose }
      return Effect.flatMap(Effect.exit(provider.create({ metadata, lifetime })), (exit) => {
        // It may be there although its creation failed, or was interrupted.
        if (Exit.isFailure(exit)) letGo(hold, false)
        return Exit.map(exit, (sandbox): HeldSandbox => ({ ...sandbox, release: release(sandbox, hold) }))
      })
    })
  const createGuarded = (purpose: Purpose, lifetime: Duration.Duration) => {
    const guarded = breaker.guard(createHeld(purpose, lifetime))
    return pace === undefined ? guarded : Effect.zipRight(Effect.interruptible(pace), guarded)
  }

  const calm = yield* Effect.makeLatch(true)
  let creating = 0
  const createNow = (purpose: Purpose, lifetime: Duration.Duration) =>
    Effect.suspend(() => {
      if (++creating === 1) calm.unsafeClose()
      return Effect.flatMap(Effect.exit(createGuarded(purpose, lifetime)), (exit) => {
        if (--creating === 0) calm.unsafeOpen()
        return exit
      })
    })

  const pool = yield* SandboxPool.make({
    limits,
    usualLifetime: lifetimeFor(limits.defaultTimeout, limits),
    create: (lifetime) => createGuarded({ purpose: "pool" }, lifetime),
    whenCalm: calm.await,
    timers
  })

  const create = (purpose: Purpose, lifetime: Duration.Duration) =>
    // Whoever looks into a sandbox to know what it has is no sign of demand.
    "executionId" in purpose
      ? Effect.flatMap(
          pool.take(lifetime),
          Option.match({ onNone: () => createNow(purpose, lifetime), onSome: Effect.succeed })
        )
      : createNow(purpose, lifetime)

  return Sandboxes.of({
    create: (purpose, lifetime) => Effect.uninterruptible(create(purpose, lifetime)),
    metrics: Effect.all({
      circuit: breaker.state,
      pool: pool.metrics,
      reapedSandboxes: reaper.reaped
    })
  })
})

/** Waits for one's turn: at most so many a second, spread evenly; 0: as many as come. */
const pacing = Effect.fnUntraced(function* (perSecond: number) {
  if (perSecond === 0) return undefined
  const limiter = yield* RateLimiter.make({ limit: 1, interval: Duration.millis(1000 / perSecond) })
  return limiter(Effect.void)
})
