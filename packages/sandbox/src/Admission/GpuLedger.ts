import type { Gpus, UserId } from "@bulkhead/domain"
import type { LimitValues } from "../Limits.js"

type GpuLimits = Pick<LimitValues, "maxGpus" | "maxGpusPerUser">

/** Which GPUs are in use: of each kind, of each user, and in all. */
export class GpuLedger {
  private readonly present: ReadonlyArray<Gpus>
  private readonly usedOfKind = new Map<string, number>()
  private readonly usedOfUser = new Map<UserId, number>()
  private total = 0

  constructor(present: ReadonlyArray<Gpus>) {
    this.present = present
  }

  /** Whether there are any at all. */
  get hasAny(): boolean {
    return this.present.length > 0
  }

  /** How many are in use. */
  get used(): number {
    return this.total
  }

  usedBy(userId: UserId): number {
    return this.usedOfUser.get(userId) ?? 0
  }

  /** Whether so many could be had if nobody used any. */
  isPossible({ count, kind }: Gpus, { maxGpus, maxGpusPerUser }: GpuLimits): boolean {
    return count <= Math.min(maxGpus, maxGpusPerUser, this.presentOf(kind))
  }

  /** Whether the user's own limit allows so many more. */
  userMay(userId: UserId, { count }: Gpus, { maxGpusPerUser }: GpuLimits): boolean {
    return this.usedBy(userId) + count <= maxGpusPerUser
  }

  /** Whether the limit of all allows so many more. */
  allMay({ count }: Gpus, { maxGpus }: GpuLimits): boolean {
    return this.total + count <= maxGpus
  }

  /** Whether so many of the kind are free. */
  areFree({ count, kind }: Gpus): boolean {
    return (this.usedOfKind.get(kind) ?? 0) + count <= this.presentOf(kind)
  }

  take(userId: UserId, { count, kind }: Gpus): void {
    this.add(userId, kind, count)
  }

  giveBack(userId: UserId, { count, kind }: Gpus): void {
    this.add(userId, kind, -count)
  }

  private presentOf(kind: string): number {
    return this.present.find((each) => each.kind === kind)?.count ?? 0
  }

  private add(userId: UserId, kind: string, count: number): void {
    this.total += count
    addTo(this.usedOfKind, kind, count)
    addTo(this.usedOfUser, userId, count)
  }
}

/** Keeps no zeros, so that a user who has gone leaves nothing behind. */
const addTo = <K>(counts: Map<K, number>, key: K, count: number): void => {
  const sum = (counts.get(key) ?? 0) + count
  if (sum === 0) counts.delete(key)
  else counts.set(key, sum)
}
