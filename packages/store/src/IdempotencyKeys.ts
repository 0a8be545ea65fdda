import type { ExecutionId, UserId } from "@bulkhead/domain"
import type { StoreFailure } from "@bulkhead/sandbox"
import { Context, type Effect } from "effect"

/** A request that its caller may send again. */
export interface KeyedRequest {
  readonly userId: UserId
  /** The caller's own name for the request. */
  readonly key: string
  /** Tells one request from another: a hash of what was asked for. */
  readonly fingerprint: string
  readonly executionId: ExecutionId
}

/** `Claimed`: this is the first with its key. `Taken`: an earlier one has it, for this execution. */
export type Claim =
  | { readonly _tag: "Claimed" }
  | { readonly _tag: "Taken"; readonly executionId: ExecutionId; readonly sameRequest: boolean }

/** Which execution a caller's key stands for. */
export class IdempotencyKeys extends Context.Tag("@bulkhead/store/IdempotencyKeys")<
  IdempotencyKeys,
  {
    /** Takes a key, unless it is taken. Returns when that survives the death of this process. Of many at one time exactly one claims. */
    readonly claim: (request: KeyedRequest) => Effect.Effect<Claim, StoreFailure>
    /** Gives a key back that this execution has claimed, since nothing was done under it. */
    readonly release: (request: KeyedRequest) => Effect.Effect<void, StoreFailure>
  }
>() {}
