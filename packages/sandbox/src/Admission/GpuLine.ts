import type { Gpus, UserId } from "@bulkhead/domain"
import type { LimitValues } from "../Limits.js"
import type { Place } from "./FairQueue.js"
import type { GpuLedger } from "./GpuLedger.js"

/** Someone who waits for GPUs. */
interface Waiter {
  readonly userId: UserId
  readonly gpus?: Gpus
}

/**
 * Those who have had their turn but wait for GPUs: one of each user, in the order of their turns. Nobody overtakes whom
 * only the GPUs of others keep waiting: so few that small ones want are not taken from under one who wants many.
 */
export class GpuLine<A extends Waiter> {
  private readonly places = new Map<UserId, Place<UserId, A>>()

  private readonly ledger: GpuLedger

  constructor(ledger: GpuLedger) {
    this.ledger = ledger
  }

  get isEmpty(): boolean {
    return this.places.size === 0
  }

  get users(): Iterable<UserId> {
    return this.places.keys()
  }

  has(userId: UserId): boolean {
    return this.places.has(userId)
  }

  join(place: Place<UserId, A>): void {
    this.places.set(place.value.userId, place)
  }

  leave(place: Place<UserId, A>): void {
    if (this.places.get(place.value.userId) === place) this.places.delete(place.value.userId)
  }

  clear(): void {
    this.places.clear()
  }

  /** Those that can never have what they want, since the limits were lowered. */
  impossible(limits: LimitValues): ReadonlyArray<Place<UserId, A>> {
    return [...this.places.values()].filter(
      ({ value: { gpus } }) => gpus !== undefined && !this.ledger.isPossible(gpus, limits)
    )
  }

  /** The first who can have what it wants. `full`: users whose own limit of executions keeps them waiting. */
  firstServed(limits: LimitValues, full: ReadonlyArray<UserId>): Place<UserId, A> | undefined {
    const reserved = new Set<string>()
    for (const place of this.places.values()) {
      const { gpus, userId } = place.value
      if (gpus === undefined || full.includes(userId) || !this.ledger.userMay(userId, gpus, limits)) continue
      if (!this.ledger.allMay(gpus, limits)) return undefined
      if (!reserved.has(gpus.kind) && this.ledger.areFree(gpus)) return place
      reserved.add(gpus.kind)
    }
    return undefined
  }
}
