import { Clock, Effect } from "effect"

/** Milliseconds of a clock that nobody sets, for differences alone: the time of day may jump, back too. */
export const now = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))
