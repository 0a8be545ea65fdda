import type { ExecutionId, UserId } from "@bulkhead/domain"
import { Context, Effect, Layer } from "effect"
import type { StoreFailure } from "./ExecutionStore.js"

/** A key, and what its request is. */
export interface Claim {
  readonly userId: UserId
  readonly key: string
  /** Two requests are the same exactly when their fingerprints are. */
  readonly fingerprint: string
  readonly executionId: ExecutionId
}

/** Which execution each idempotency key of a user stands for. */
export class IdempotencyKeys extends Context.Tag("@bulkhead/sandbox/IdempotencyKeys")<
  IdempotencyKeys,
  {
    /** Lets the key stand for this execution, unless it stands for one already. Gives the claim that holds. */
    readonly claim: (claim: Claim) => Effect.Effect<Claim, StoreFailure>
    /**
     * Lets the key stand for nothing again, if it stands for this execution, and no other server that lives may be
     * about to run that. Otherwise changes nothing.
     */
    readonly release: (claim: Claim) => Effect.Effect<void, StoreFailure>
  }
>() {
  /** Keeps the latest keys in memory, `keys` of them (default 10000). */
  static layerMemory(keys = 10_000): Layer.Layer<IdempotencyKeys> {
    return Layer.sync(IdempotencyKeys, () => {
      const claims = new Map<string, Claim>()
      const nameOf = ({ key, userId }: Claim) => `${userId} ${key}`
      const forgetOldest = () => {
        const oldest = claims.keys().next()
        if (!oldest.done && claims.size > keys) claims.delete(oldest.value)
      }
      return {
        claim: (claim) =>
          Effect.sync(() => {
            const holder = claims.get(nameOf(claim))
            if (holder) return holder
            claims.set(nameOf(claim), claim)
            forgetOldest()
            return claim
          }),
        release: (claim) =>
          Effect.sync(() => {
            if (claims.get(nameOf(claim))?.executionId === claim.executionId) claims.delete(nameOf(claim))
          })
      }
    })
  }
}
