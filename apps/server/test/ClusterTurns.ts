// Whether turns were right, by what callers saw and what the database was told, whatever the servers believed.

/** Something that waited, as its caller saw it. Times are in milliseconds, all of this machine's clock. */
export interface Submission {
  readonly executionId: string
  readonly userId: string
  /** The replica that was asked. */
  readonly replica: string
  readonly sentAt: number
  /** When the caller was told that it waits. */
  readonly acceptedAt: number
}

/** A permit that was written down, or struck off, in the order in which that happened. */
export interface LedgerEntry {
  readonly executionId: string
  readonly userId: string
  readonly at: number
  readonly isGiven: boolean
}

/** Somebody owns admission from now on. */
export interface Ownership {
  readonly replica: string
  readonly at: number
}

/** What happened to a replica, until it was well again. */
export interface Harm {
  readonly replica: string
  readonly what: string
  readonly from: number
  readonly until: number
}

export interface History {
  readonly submissions: ReadonlyArray<Submission>
  readonly ledger: ReadonlyArray<LedgerEntry>
  readonly owners: ReadonlyArray<Ownership>
  readonly harms: ReadonlyArray<Harm>
  readonly perUser: number
}

export interface Judgement {
  readonly violations: ReadonlyArray<string>
  /** Permits whose turn was looked at. */
  readonly judged: number
  /** How much later than one that came after it an execution had its turn, where the owner changed meanwhile. */
  readonly lateness: ReadonlyArray<number>
}

/** How much later it may be then, in milliseconds. */
const latest = 15_000

/** Turns of one user while another waits: one of the round, one more at its edge, and one that was under way. */
const mostTurns = 3

/** A submission and its permit. */
interface Turn extends Submission {
  readonly givenAt: number
  readonly place: number
}

const overlaps = (harm: Harm, from: number, until: number) => harm.from <= until && from <= harm.until

const ownerAt = (owners: ReadonlyArray<Ownership>, at: number) =>
  owners.findLast((owner) => owner.at <= at)?.replica

const isHarmed = ({ harms }: History, replica: string, from: number, until: number) =>
  harms.some((harm) => harm.replica === replica && overlaps(harm, from, until))

/** Whether the owner changed, or came to harm, in that time. */
const isUnsettled = ({ harms, owners }: History, from: number, until: number) =>
  owners.some(({ at }) => from <= at && at <= until) ||
  harms.some((harm) => overlaps(harm, from, until) && ownerAt(owners, harm.from) === harm.replica)

const turnsOf = ({ ledger, submissions }: History) => {
  const given = new Map<string, { readonly at: number; readonly place: number }>()
  for (const [place, { at, executionId, isGiven }] of ledger.entries())
    if (isGiven && !given.has(executionId)) given.set(executionId, { at, place })
  return submissions.flatMap((submission): ReadonlyArray<Turn> => {
    const found = given.get(submission.executionId)
    return found === undefined ? [] : [{ ...submission, givenAt: found.at, place: found.place }]
  })
}

const byUser = <A extends { readonly userId: string }>(all: ReadonlyArray<A>) => {
  const groups = new Map<string, Array<A>>()
  for (const one of all) groups.set(one.userId, [...(groups.get(one.userId) ?? []), one])
  return groups
}

/** First in, first out within a user: of two of which the second came when the first was known to wait. */
const judgeOrder = (history: History, turns: ReadonlyArray<Turn>) => {
  const violations: Array<string> = []
  const lateness: Array<number> = []
  for (const [user, own] of byUser(turns))
    for (const first of own)
      for (const second of own) {
        if (first.acceptedAt >= second.sentAt || first.place < second.place) continue
        if (isHarmed(history, first.replica, first.sentAt, second.givenAt)) continue
        const late = first.givenAt - second.givenAt
        const isExcused = isUnsettled(history, first.sentAt, second.givenAt)
        if (isExcused) lateness.push(late)
        if (!isExcused || late > latest)
          violations.push(
            `${first.executionId} of ${user} had its turn ${late} ms after ${second.executionId}, which came later`
          )
      }
  return { violations, lateness }
}

/** Since when a user has held fewer permits than it may, at each place of the ledger. */
const eligibility = ({ ledger, perUser }: History, user: string) => {
  let held = 0
  let since = 0
  return ledger.map((entry) => {
    const before = held < perUser ? since : Number.POSITIVE_INFINITY
    if (entry.userId !== user) return before
    if (held >= perUser && !entry.isGiven) since = entry.at
    held += entry.isGiven ? 1 : -1
    return before
  })
}

/** Turns between users: while one waits and may run, no other is let in again and again. */
const judgeRounds = (history: History, turns: ReadonlyArray<Turn>) => {
  const violations: Array<string> = []
  let judged = 0
  for (const [user, own] of byUser(turns)) {
    const eligibleSince = eligibility(history, user)
    for (const turn of own) {
      if (isHarmed(history, turn.replica, turn.sentAt, turn.givenAt)) continue
      if (isUnsettled(history, turn.sentAt, turn.givenAt)) continue
      judged++
      const before = history.ledger.slice(0, turn.place)
      const ownBefore = before.findLast((entry) => entry.isGiven && entry.userId === user)?.at ?? 0
      const since = Math.max(turn.acceptedAt, ownBefore, eligibleSince[turn.place] ?? 0)
      const others = byUser(
        before.filter((entry) => entry.isGiven && entry.userId !== user && entry.at > since)
      )
      for (const [other, { length }] of others)
        if (length > mostTurns)
          violations.push(`${other} had ${length} turns while ${turn.executionId} of ${user} waited`)
    }
  }
  return { violations, judged }
}

/** Judges turns. Not judged are those of a replica that came to harm while they waited. */
export const judge = (history: History): Judgement => {
  const turns = turnsOf(history)
  const order = judgeOrder(history, turns)
  const rounds = judgeRounds(history, turns)
  return {
    violations: [...order.violations, ...rounds.violations],
    judged: rounds.judged,
    lateness: order.lateness
  }
}

/**
 * How long it took, after its owner came to harm, until admission had another one, and until that gave its first
 * permit.
 */
export interface Takeover {
  readonly what: string
  readonly owned: number
  readonly given: number
}

/** Every change of owner that harm brought about. */
export const takeovers = ({ harms, ledger, owners }: History): ReadonlyArray<Takeover> =>
  harms.flatMap(({ from, replica, until, what }) => {
    if (ownerAt(owners, from) !== replica) return []
    const next = owners.find(({ at }) => at > from && at <= until)
    if (next === undefined) return []
    const given = ledger.find(({ at, isGiven }) => isGiven && at > next.at)
    return given === undefined ? [] : [{ what, owned: next.at - from, given: given.at - from }]
  })
