import { type ExecutionId, isSamePolicy, type ProviderMetrics } from "@bulkhead/domain"
import { Context, Duration, Effect, HashSet, Layer, Option, RateLimiter, Ref } from "effect"
import { Limits, type LimitValues } from "../Limits.js"
import { NetworkRules } from "../NetworkRules.js"
import * as CircuitBreaker from "./CircuitBreaker.js"
import { Images } from "./Images.js"
import { InstanceName } from "./InstanceName.js"
import { LifeName } from "./LifeName.js"
import * as MeasuredProvider from "./MeasuredProvider.js"
import * as NetworkPolicies from "./NetworkPolicies.js"
import type { OwnedSandbox } from "./OwnedSandbox.js"
import * as Reaper from "./Reaper.js"
import * as SandboxPool from "./SandboxPool.js"
import {
  type ListedSandbox,
  type ProviderHealth,
  Sandbox,
  type SandboxFailure,
  type SandboxOptions,
  SandboxProvider,
  type SecretControl
} from "./SandboxProvider.js"

/** What a sandbox is for, as its provider's list tells it. */
type Purpose = { readonly executionId: ExecutionId } | { readonly purpose: "toolchain" | "pool" }

/** How a sandbox is made. */
export type Made = Omit<SandboxOptions, "metadata">

/** Is told of a sandbox's life. */
export interface SandboxObserver {
  readonly onCreated: (sandboxId: string) => Effect.Effect<void>
  /** `isGone`: whether the provider said so; what is not known to be gone is left to the reaper. */
  readonly onClosed: (sandboxId: string, isGone: boolean) => Effect.Effect<void>
}

const nobody: SandboxObserver = { onCreated: () => Effect.void, onClosed: () => Effect.void }

/** What sandboxes are tagged with. */
const service = "bulkhead"

/** A sandbox lives this much longer than its program may, for what comes before and after. */
const lifetimeMargin = Duration.seconds(60)

/** How long a sandbox must live for a program that may run for `timeout` seconds. */
export const lifetimeFor = (timeout: number, { killGracePeriod }: Pick<LimitValues, "killGracePeriod">) =>
  Duration.sum(Duration.seconds(timeout + killGracePeriod), lifetimeMargin)

/** Where executions get their sandboxes, and where it is seen to that none is left behind. */
export class SandboxSupply extends Context.Tag("@bulkhead/sandbox/SandboxSupply")<
  SandboxSupply,
  {
    /**
     * A fresh sandbox for this purpose alone, for as long as the layer is in scope. However the scope ends, the sandbox
     * is closed, and only then does the scope's end return. One of a template, with secrets or GPUs, or of another
     * network policy than the usual one, is made when it is asked for, since only sandboxes without are kept ready.
     */
    readonly sandbox: (
      purpose: Purpose,
      made: Made,
      observer?: SandboxObserver
    ) => Layer.Layer<Sandbox, SandboxFailure>
    /** What programs are allowed of the network. */
    readonly network: NetworkPolicies.NetworkPolicies
    /** How programs may use secrets. Absent: not at all. */
    readonly secrets?: SecretControl
    /**
     * Ends every sandbox that another life made, of this service or of one beside it, which is known to be dead; see
     * `LifeName`. Whether it is certain that none is left.
     */
    readonly bury: (life: string) => Effect.Effect<boolean>
    readonly health: Effect.Effect<ProviderHealth>
    readonly metrics: Effect.Effect<ProviderMetrics>
  }
>() {
  static readonly layer: Layer.Layer<SandboxSupply, never, Limits | SandboxProvider> = Layer.scoped(
    SandboxSupply,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const limits = yield* Limits
  const provider = MeasuredProvider.of(yield* SandboxProvider)
  // Tells the sandboxes of this life from those that an earlier one left behind.
  const life = (yield* LifeName) ?? globalThis.crypto.randomUUID()
  const tags = { service, instance: (yield* InstanceName) ?? life }

  /** Of every sandbox that this life owns, from before it is there until it is known to be gone or given up. */
  const ownerships = yield* Ref.make(HashSet.empty<string>())
  const made = yield* Ref.make(0)
  const reaper = yield* Reaper.make({
    provider,
    tags,
    owned: Effect.map(
      Ref.get(ownerships),
      (owned) =>
        ({ metadata }: ListedSandbox) =>
          metadata.life === life && HashSet.has(owned, metadata.ownership ?? "")
    ),
    interval: limits.reaperInterval
  })

  const own = Effect.gen(function* () {
    const ownership = String(yield* Ref.updateAndGet(made, (count) => count + 1))
    yield* Ref.update(ownerships, HashSet.add(ownership))
    return ownership
  })
  const disown = (ownership: string, isGone: boolean) =>
    Effect.zipRight(Ref.update(ownerships, HashSet.remove(ownership)), isGone ? Effect.void : reaper.wake)

  const network = NetworkPolicies.make(provider.network, yield* NetworkRules)
  const usualNetwork = network.usual === undefined ? {} : { network: network.usual }

  const pace = yield* pacing(limits.maxCreatesPerSecond)
  const health = SandboxProvider.healthOf(provider)
  const breaker = yield* CircuitBreaker.make(limits, health)
  // Each its own: what cannot be made of one template may well be made of another.
  const breakers = new Map(
    yield* Effect.forEach([...(yield* Images).values()], (template) =>
      Effect.map(CircuitBreaker.make(limits, health), (own) => [template, own] as const)
    )
  )
  const breakerOf = ({ template = "" }: Made) => breakers.get(template) ?? breaker

  const createOwned = (purpose: Purpose, made: Made) =>
    Effect.flatMap(own, (ownership) =>
      provider.create({ metadata: { ...tags, life, ownership, ...purpose }, ...made }).pipe(
        Effect.map((sandbox): OwnedSandbox => ({ ...sandbox, ownership })),
        // It may be there although its creation failed or was interrupted.
        Effect.onError(() => disown(ownership, false))
      )
    )
  const createGuarded = (purpose: Purpose, made: Made) =>
    Effect.zipRight(Effect.interruptible(pace), breakerOf(made).guard(createOwned(purpose, made)))

  const calm = yield* Effect.makeLatch(true)
  const creating = yield* Ref.make(0)
  const beginCreating = Effect.zipRight(
    Ref.update(creating, (count) => count + 1),
    calm.close
  )
  const endCreating = Effect.flatMap(
    Ref.updateAndGet(creating, (count) => count - 1),
    (count) => (count === 0 ? calm.open : Effect.void)
  )
  const createNow = (purpose: Purpose, made: Made) =>
    Effect.acquireUseRelease(
      beginCreating,
      () => createGuarded(purpose, made),
      () => endCreating
    )

  const close = (sandbox: OwnedSandbox) =>
    Effect.flatMap(Sandbox.close(sandbox), (isGone) => disown(sandbox.ownership, isGone))

  const pool = yield* SandboxPool.make({
    limits,
    usualLifetime: lifetimeFor(limits.defaultTimeout, limits),
    create: (lifetime) => createGuarded({ purpose: "pool" }, { lifetime, ...usualNetwork }),
    close,
    whenCalm: calm.await
  })

  const isPooled = ({ gpus, network: wanted, secrets, template }: Made) =>
    template === undefined &&
    gpus === undefined &&
    secrets === undefined &&
    (wanted === undefined || network.usual === undefined
      ? wanted === network.usual
      : isSamePolicy(wanted, network.usual))

  const obtain = (purpose: Purpose, made: Made) =>
    // Whoever looks into a sandbox to know what it has is no sign of demand.
    "executionId" in purpose && isPooled(made)
      ? Effect.flatMap(
          pool.take(made.lifetime),
          Option.match({ onNone: () => createNow(purpose, made), onSome: Effect.succeed })
        )
      : createNow(purpose, made)

  return SandboxSupply.of({
    network,
    ...(provider.secrets && { secrets: provider.secrets }),
    sandbox: (purpose, made, { onClosed, onCreated } = nobody) =>
      Layer.scoped(
        Sandbox,
        Sandbox.scoped(
          Effect.tap(obtain(purpose, made), ({ id }) => onCreated(id)),
          ({ id, ownership }, isGone) => Effect.zipRight(disown(ownership, isGone), onClosed(id, isGone))
        )
      ),
    bury: (dead) => (dead === life ? Effect.succeed(false) : reaper.bury(dead)),
    health,
    metrics: Effect.all({
      circuit: breaker.state,
      pool: pool.metrics,
      reapedSandboxes: reaper.reaped,
      launcherRestarts: Effect.map(health, ({ restarts }) => restarts)
    })
  })
})

/** Waits for one's turn: at most so many a second, spread evenly; 0: as many as come. */
const pacing = Effect.fnUntraced(function* (perSecond: number) {
  if (perSecond === 0) return Effect.void
  const limiter = yield* RateLimiter.make({ limit: 1, interval: Duration.millis(1000 / perSecond) })
  return limiter(Effect.void)
})
