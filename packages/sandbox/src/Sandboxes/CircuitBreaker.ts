import type { CircuitState, ErrorCode } from "@bulkhead/domain"
import { Cause, Effect, Exit, Option } from "effect"
import type { LimitValues } from "../Limits.js"
import { SandboxFailure } from "./SandboxProvider.js"

/** Failures that say the provider is down, and not merely that it refuses this. */
const signsOfOutage: ReadonlySet<ErrorCode> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ETIMEDOUT",
  "SANDBOX_BUSY"
])

/** Spares a provider that is down, and its callers the wait: after enough failures in a row, fails at once for a while, then lets one try. */
export interface CircuitBreaker {
  readonly guard: <A, R>(effect: Effect.Effect<A, SandboxFailure, R>) => Effect.Effect<A, SandboxFailure, R>
  readonly state: Effect.Effect<CircuitState>
}

const isOpen = (remainingMs: number) =>
  new SandboxFailure({
    code: "SANDBOX_BUSY",
    phase: "create",
    message: "The sandbox provider is down and is left alone for a while",
    // Trying again is the caller's business, once the while is over.
    retryable: false,
    retryAfter: Math.max(1, Math.ceil(remainingMs / 1000))
  })

export const make = ({
  breakerFailures,
  breakerCooldown
}: Pick<LimitValues, "breakerFailures" | "breakerCooldown">): Effect.Effect<CircuitBreaker> =>
  Effect.map(Effect.clock, (clock) => {
    const now = () => clock.unsafeCurrentTimeMillis()
    let failuresInARow = 0
    let openUntil = 0
    let probing = false

    const state = Effect.sync((): CircuitState => {
      if (failuresInARow < breakerFailures) return "closed"
      return now() < openUntil ? "open" : "half-open"
    })

    const learn = (exit: Exit.Exit<unknown, SandboxFailure>) => {
      if (Exit.isSuccess(exit)) {
        failuresInARow = 0
        return
      }
      const failure = Cause.failureOption(exit.cause)
      if (Option.isNone(failure) || !signsOfOutage.has(failure.value.code)) return
      failuresInARow++
      if (failuresInARow >= breakerFailures) openUntil = now() + breakerCooldown * 1000
    }

    /** Nothing may interrupt between the claim to the one try and the certainty that it is given back. */
    const guard: CircuitBreaker["guard"] = (effect) =>
      Effect.uninterruptibleMask((restore) => {
        const isProbe = failuresInARow >= breakerFailures
        if (isProbe) {
          if (now() < openUntil) return isOpen(openUntil - now())
          if (probing) return isOpen(breakerCooldown * 1000)
          probing = true
        }
        return Effect.flatMap(Effect.exit(restore(effect)), (exit) => {
          if (isProbe) probing = false
          learn(exit)
          return exit
        })
      })

    return { guard, state }
  })
