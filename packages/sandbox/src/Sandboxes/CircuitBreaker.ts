import type { CircuitState, ErrorCode } from "@bulkhead/domain"
import { Effect, Ref } from "effect"
import type { LimitValues } from "../Limits.js"
import * as SteadyClock from "../SteadyClock.js"
import { type ProviderHealth, SandboxFailure } from "./SandboxProvider.js"

/** Failures that say the provider is down, and not merely that it refuses this. */
const signsOfOutage: ReadonlySet<ErrorCode> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ETIMEDOUT",
  "SANDBOX_BUSY"
])

/**
 * Spares a provider that is down, and its callers the wait: after enough failures in a row it fails at once for a
 * while, then lets one call try. While the provider says itself that it is down, it fails at once too, and not a moment
 * longer.
 */
export interface CircuitBreaker {
  readonly guard: <A, R>(effect: Effect.Effect<A, SandboxFailure, R>) => Effect.Effect<A, SandboxFailure, R>
  readonly state: Effect.Effect<CircuitState>
}

/** What the calls so far came to. Times are in milliseconds of a clock that nobody sets. */
interface Circuit {
  readonly failuresInARow: number
  readonly openUntil: number
  readonly isProbing: boolean
}

/**
 * What a call may do: run, run as the one probe of an open circuit, fail for so many milliseconds more, or fail while
 * the provider is down.
 */
type Admittance =
  | { readonly _tag: "Run" }
  | { readonly _tag: "Probe" }
  | { readonly _tag: "Refuse"; readonly waitMs: number }
  | { readonly _tag: "Down"; readonly reason: string }

const isOpen = (waitMs: number) =>
  new SandboxFailure({
    code: "SANDBOX_BUSY",
    phase: "create",
    message: "The sandbox provider is down and is left alone for a while",
    // Trying again is the caller's business, once the while is over.
    retryable: false,
    retryAfter: Math.max(1, Math.ceil(waitMs / 1000))
  })

const isDown = (reason: string) =>
  new SandboxFailure({ code: "SANDBOX_BUSY", phase: "create", message: reason, retryable: true })

/** Why the provider is down, by its own account. */
const outageOf = ({ reason, state }: ProviderHealth) =>
  state === "down" ? (reason ?? "The sandbox provider is down") : undefined

export const make = Effect.fnUntraced(function* (
  { breakerCooldown, breakerFailures }: Pick<LimitValues, "breakerFailures" | "breakerCooldown">,
  health: Effect.Effect<ProviderHealth>
): Effect.fn.Return<CircuitBreaker> {
  const outage = Effect.map(health, outageOf)
  const cooldownMs = breakerCooldown * 1000
  const circuit = yield* Ref.make<Circuit>({ failuresInARow: 0, openUntil: 0, isProbing: false })
  const isBroken = ({ failuresInARow }: Circuit) => failuresInARow >= breakerFailures

  const state = Effect.gen(function* () {
    if ((yield* outage) !== undefined) return "open"
    const current = yield* Ref.get(circuit)
    if (!isBroken(current)) return "closed"
    return (yield* SteadyClock.now) < current.openUntil ? "open" : "half-open"
  })

  const admitWhenUp = Effect.flatMap(SteadyClock.now, (now) =>
    Ref.modify(circuit, (current): readonly [Admittance, Circuit] => {
      if (!isBroken(current)) return [{ _tag: "Run" }, current]
      if (now < current.openUntil) return [{ _tag: "Refuse", waitMs: current.openUntil - now }, current]
      if (current.isProbing) return [{ _tag: "Refuse", waitMs: cooldownMs }, current]
      return [{ _tag: "Probe" }, { ...current, isProbing: true }]
    })
  )

  const forget = Ref.update(circuit, (current) => ({ ...current, failuresInARow: 0 }))

  // A provider that tells when it is back needs nobody to try whether it is: what failed before counts no longer.
  const admit: Effect.Effect<Admittance> = Effect.flatMap(outage, (reason) =>
    reason === undefined ? admitWhenUp : Effect.as(forget, { _tag: "Down", reason })
  )

  const onFailure = ({ code }: SandboxFailure) =>
    signsOfOutage.has(code)
      ? Effect.flatMap(SteadyClock.now, (now) =>
          Ref.update(circuit, (current) => {
            const failuresInARow = current.failuresInARow + 1
            const failed = { ...current, failuresInARow }
            return isBroken(failed) ? { ...failed, openUntil: now + cooldownMs } : failed
          })
        )
      : Effect.void
  const endProbe = Ref.update(circuit, (current) => ({ ...current, isProbing: false }))

  // Nothing may interrupt between the claim to the one probe and the certainty that it is given back.
  const guard: CircuitBreaker["guard"] = (effect) =>
    Effect.uninterruptibleMask((restore) => {
      const learning = Effect.tapBoth(restore(effect), { onSuccess: () => forget, onFailure })
      return Effect.flatMap(admit, (admittance) => {
        switch (admittance._tag) {
          case "Run":
            return learning
          case "Probe":
            return Effect.ensuring(learning, endProbe)
          case "Refuse":
            return isOpen(admittance.waitMs)
          case "Down":
            return isDown(admittance.reason)
        }
      })
    })

  return { guard, state }
})
