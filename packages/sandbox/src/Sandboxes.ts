import type { ExecutionId, ProviderMetrics } from "@bulkhead/domain"
import { Context, Duration, Effect, Layer, Option, RateLimiter, type Scope } from "effect"
import * as CircuitBreaker from "./CircuitBreaker.js"
import { Instance } from "./Instance.js"
import { Limits, type LimitValues } from "./Limits.js"
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

/** Where executions get their sandboxes, and where it is seen to that none is left behind. */
export class Sandboxes extends Context.Tag("@bulkhead/sandbox/Sandboxes")<
  Sandboxes,
  {
    /** A fresh sandbox, for this purpose alone. When the scope closes it is destroyed; should that fail, the reaper ends it later. */
    readonly acquire: (
      purpose: Purpose,
      lifetime: Duration.Duration
    ) => Effect.Effect<Service, SandboxFailure, Scope.Scope>
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

  const pace = yield* pacing(limits.maxCreatesPerSecond)
  const breaker = CircuitBreaker.make(limits)
  const calm = yield* Effect.makeLatch(true)
  let creating = 0
  const countCreating = (by: 1 | -1) =>
    Effect.suspend(() => {
      creating += by
      return creating === 0 ? calm.open : calm.close
    })

  let holds = 0
  /** What this life holds is not the reaper's business, from before it is there until it is known to be gone. */
  const hold = Effect.acquireRelease(
    Effect.sync(() => {
      const name = String(++holds)
      held.add(name)
      return { name, isGone: false }
    }),
    ({ isGone, name }) => {
      held.delete(name)
      return isGone ? Effect.void : reaper.wake
    }
  )

  const createHeld = Effect.fnUntraced(function* (purpose: Purpose, lifetime: Duration.Duration) {
    const mine = yield* hold
    const metadata = { ...tags, life, hold: mine.name, ...purpose }
    const sandbox = yield* provider.acquire({ metadata, lifetime })
    const destroy = Effect.map(sandbox.destroy, () => {
      mine.isGone = true
    })
    return { ...sandbox, destroy }
  })
  const create = (purpose: Purpose, lifetime: Duration.Duration) =>
    pace(breaker.guard(createHeld(purpose, lifetime)))

  const pool = yield* SandboxPool.make({
    limits,
    usualLifetime: lifetimeFor(limits.defaultTimeout, limits),
    create: (lifetime) => create({ purpose: "pool" }, lifetime),
    whenCalm: calm.await
  })

  const createNow = (purpose: Purpose, lifetime: Duration.Duration) =>
    Effect.acquireUseRelease(
      countCreating(1),
      () => create(purpose, lifetime),
      () => countCreating(-1)
    )

  const acquire = Effect.fnUntraced(function* (purpose: Purpose, lifetime: Duration.Duration) {
    // Whoever looks into a sandbox to know what it has is no sign of demand.
    const pooled = "executionId" in purpose ? yield* pool.take(lifetime) : Option.none()
    return pooled._tag === "Some" ? pooled.value : yield* createNow(purpose, lifetime)
  })

  return Sandboxes.of({
    acquire,
    metrics: Effect.all({
      circuit: breaker.state,
      pool: pool.metrics,
      reapedSandboxes: reaper.reaped
    })
  })
})

/** At most so many creates a second, spread evenly; 0: as many as come. */
const pacing = Effect.fnUntraced(function* (perSecond: number) {
  if (perSecond === 0) return <A, E, R>(effect: Effect.Effect<A, E, R>) => effect
  return yield* RateLimiter.make({ limit: 1, interval: Duration.millis(1000 / perSecond) })
})
