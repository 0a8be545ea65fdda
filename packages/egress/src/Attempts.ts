import type { NetworkAttempt } from "@bulkhead/domain"
import { Clock, Effect, Option, Stream, SubscriptionRef } from "effect"

/** Attempts of each decision that are kept: the first ones. */
const mostOfEach = 100
const mostCharacters = 300

interface Kept {
  readonly attempts: ReadonlyArray<NetworkAttempt>
  readonly allowed: number
  readonly denied: number
  readonly missed: number
}

/** What a sandbox's programs have attempted, bounded in number. */
export interface Attempts {
  readonly record: (attempt: Omit<NetworkAttempt, "at">) => Effect.Effect<void>
  /** Those from this number on. */
  readonly from: (first: number) => Effect.Effect<ReadonlyArray<NetworkAttempt>>
  /** Waits until there is one with this number. */
  readonly untilAfter: (first: number) => Effect.Effect<void>
  /** How many were allowed, denied, and not kept. */
  readonly counts: Effect.Effect<Omit<Kept, "attempts">>
}

const keep = (kept: Kept, attempt: NetworkAttempt): Kept => {
  const before = kept[attempt.decision]
  const counted = { ...kept, [attempt.decision]: before + 1 }
  return before < mostOfEach
    ? { ...counted, attempts: [...kept.attempts, attempt] }
    : { ...counted, missed: kept.missed + 1 }
}

export const make: Effect.Effect<Attempts> = Effect.gen(function* () {
  const kept = yield* SubscriptionRef.make<Kept>({ attempts: [], allowed: 0, denied: 0, missed: 0 })
  return {
    record: (attempt) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) =>
        SubscriptionRef.update(kept, (all) =>
          keep(all, { at, ...attempt, name: attempt.name.slice(0, mostCharacters) })
        )
      ),
    from: (first) => Effect.map(SubscriptionRef.get(kept), ({ attempts }) => attempts.slice(first)),
    untilAfter: (first) =>
      kept.changes.pipe(
        Stream.filter(({ attempts }) => attempts.length > first),
        Stream.runHead,
        Effect.map(Option.isSome),
        Effect.asVoid
      ),
    counts: Effect.map(SubscriptionRef.get(kept), ({ attempts: _, ...counts }) => counts)
  }
})
