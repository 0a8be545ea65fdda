import type { ExecutionEvent } from "@bulkhead/domain"
import { Effect, Ref, Schedule } from "effect"

/** Milliseconds by which an event may come later than it says: several servers write them, each by its own clock. */
const lateness = 60_000

/** What the last look found, and from which moment on the next one asks. */
interface Place {
  readonly from?: number
  /** How often each event was there, as its JSON: several may be the same, and they may come in between. */
  readonly found: ReadonlyMap<string, number>
}

const isEnd = ({ event }: ExecutionEvent) =>
  /^execution_(completed|failed|timeout|killed|rejected)$/.test(event)

/** The events that were not there at the last look, and the place after all of them. */
const since = ({ found, from = 0 }: Place, events: ReadonlyArray<ExecutionEvent>) => {
  const now = new Map<string, number>()
  const fresh = events.filter((event) => {
    const text = JSON.stringify(event)
    const times = (now.get(text) ?? 0) + 1
    now.set(text, times)
    return times > (found.get(text) ?? 0)
  })
  const newest = events.reduce((latest, { timestamp }) => Math.max(latest, timestamp - lateness), from)
  return { fresh, place: { from: newest, found: now } }
}

/**
 * Tells of each event once, as it comes, until the execution has ended. Each look asks for the latest events alone,
 * however long the log is.
 */
export const follow = <E, E2, R, R2>(
  look: (query: { readonly from?: number }) => Effect.Effect<ReadonlyArray<ExecutionEvent>, E, R>,
  tellOf: (event: ExecutionEvent) => Effect.Effect<void, E2, R2>
) =>
  Effect.gen(function* () {
    const place = yield* Ref.make<Place>({ found: new Map() })
    const news = Effect.gen(function* () {
      const before = yield* Ref.get(place)
      const events = yield* look(before.from === undefined ? {} : { from: before.from })
      const { fresh, place: next } = since(before, events)
      yield* Effect.forEach(fresh, tellOf, { discard: true })
      yield* Ref.set(place, next)
      return fresh.some(isEnd)
    })
    yield* Effect.repeat(news, { until: (isOver) => isOver, schedule: Schedule.spaced("1 second") })
  })
