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
  /** Those that are named in any case, as they were added. */
  private readonly named: Array<RejectedArtifact> = []
  /** Those that are named too as long as all can be. */
  private readonly others: Array<RejectedArtifact> = []
  private readonly counts = new Map<string, number>()

  /** Adds a file, of which there may be more that nobody looks at. Returns it if it is named in any case. */
  add(name: string, flaw: string, count = 1): RejectedArtifact | undefined {
    const isKnown = this.counts.has(flaw) || this.counts.size < mostReasons
    const key = isKnown ? flaw : otherReasons
    const before = this.counts.get(key) ?? 0
    this.counts.set(key, before + count)
    const rejected = { name: shownPath(name), reason: reasonOf(flaw) }
    if (before < namedEach) {
      this.named.push(rejected)
      return rejected
    }
    if (this.others.length < mostNamed) this.others.push(rejected)
    return undefined
  }

  /** What a result says of them. */
  get collected(): Pick<CollectedArtifacts, "rejected" | "rejectedCounts"> {
    const all = [...this.counts.values()].reduce((sum, count) => sum + count, 0)
    const whole = [...this.named, ...this.others]
    if (all === whole.length && all <= mostNamed) return { rejected: whole }
    const rejectedCounts = [...this.counts].map(
      ([flaw, count]): RejectedCount => ({ reason: reasonOf(flaw), count })
    )
    return {
      rejected: this.named,
      rejectedCounts: rejectedCounts.toSorted((one, other) => other.count - one.count)
    }
  }
}
