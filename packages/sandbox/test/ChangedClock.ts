import { Clock, Effect } from "effect"

/** Runs an effect on the clock that is there, with a part of it changed. */
export const withChangedClock =
  (change: (clock: Clock.Clock) => Partial<Clock.Clock>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.clockWith((clock) =>
      Effect.withClock(effect, {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        sleep: (duration) => clock.sleep(duration),
        currentTimeMillis: clock.currentTimeMillis,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
        currentTimeNanos: clock.currentTimeNanos,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        ...change(clock)
      })
    )
