/** One instance's lease, as it was read. */
export interface LeaseRow {
  readonly instance: string
  readonly holder: string
  readonly renewals: number
}

interface Sighting {
  readonly row: LeaseRow
  /** Since when the row has been like this, as far as was seen. */
  readonly since: number
}

/** What was seen of the leases. Times are differences of this process's own clock, in milliseconds. */
export interface Sightings {
  readonly at: number
  readonly seen: ReadonlyMap<string, Sighting>
}

export const none: Sightings = { at: 0, seen: new Map() }

const isSame = (one: LeaseRow, other: LeaseRow) =>
  one.holder === other.holder && one.renewals === other.renewals

/**
 * What is known after another look. Whoever could not look for longer than `gap` knows nothing of the time between:
 * the database may have been away, when nobody could renew anything.
 */
export const look = (
  before: Sightings,
  rows: ReadonlyArray<LeaseRow>,
  at: number,
  gap: number
): Sightings => {
  const known = at - before.at > gap ? none.seen : before.seen
  const sightingOf = (row: LeaseRow): Sighting => {
    const earlier = known.get(row.instance)
    return earlier !== undefined && isSame(earlier.row, row) ? earlier : { row, since: at }
  }
  return { at, seen: new Map(rows.map((row) => [row.instance, sightingOf(row)])) }
}

/** The leases that nobody has renewed for so long. */
export const unrenewed = ({ at, seen }: Sightings, duration: number): ReadonlyArray<LeaseRow> =>
  [...seen.values()].filter(({ since }) => at - since >= duration).map(({ row }) => row)
