import { type RejectedArtifact, type RejectedCount, shownPath } from "@bulkhead/domain"
import type { CollectedArtifacts } from "@bulkhead/sandbox"

/** So many are named, whatever the reasons. */
const mostNamed = 20
/** Of more, so many are named for each reason, as long as there are no more reasons than that. */
const namedEach = 3
const mostReasons = 20
/** For all reasons beyond. */
const otherReasons = "there were other reasons, too many to be listed"

const reasonOf = (flaw: string) => `Artifact validation failed: ${flaw}`

/** The files of one execution that are not kept, in bounded memory however many there are. */
export class Rejections {
  private readonly named = new Map<string, Array<RejectedArtifact>>()
  private readonly counts = new Map<string, number>()

  /** Adds a file, of which there may be more that nobody looks at. */
  add(name: string, flaw: string, count = 1): void {
    const isKnown = this.counts.has(flaw) || this.counts.size < mostReasons
    const key = isKnown ? flaw : otherReasons
    this.counts.set(key, (this.counts.get(key) ?? 0) + count)
    const named = this.named.get(key) ?? []
    if (named.length < mostNamed) named.push({ name: shownPath(name), reason: reasonOf(flaw) })
    this.named.set(key, named)
  }

  /** What a result says of them. */
  get collected(): Pick<CollectedArtifacts, "rejected" | "rejectedCounts"> {
    const all = [...this.counts.values()].reduce((sum, count) => sum + count, 0)
    const named = [...this.named.values()]
    const whole = named.flat()
    if (all === whole.length && all <= mostNamed) return { rejected: whole }
    const rejectedCounts = [...this.counts].map(
      ([flaw, count]): RejectedCount => ({ reason: reasonOf(flaw), count })
    )
    return {
      rejected: named.flatMap((some) => some.slice(0, namedEach)),
      rejectedCounts: rejectedCounts.toSorted((one, other) => other.count - one.count)
    }
  }
}
