import { Clock, Duration, Effect } from "effect"

/** Milliseconds of a clock that nobody sets, for differences alone: the time of day may jump, back too. */
export const now = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** Gives what says, from now on, whether so much time has not gone by yet. `Schedule.upTo` goes by the time of day. */
export const within = (duration: Duration.DurationInput) =>
  Effect.map(now, (from) => Effect.map(now, (at) => at - from < Duration.toMillis(duration)))
