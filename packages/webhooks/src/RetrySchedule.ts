import { Array as Arr, Chunk, Duration, Effect, Option, Schedule } from "effect"

/** Twice as long after each try, from 2 seconds to an hour, each a little more or less. */
const schedule = Schedule.exponential("2 seconds").pipe(
  Schedule.union(Schedule.spaced("1 hour")),
  Schedule.jittered
)

/** Tries after which the time between two of them has long stopped growing. */
const longestRun = 20

/** Milliseconds to wait after so many tries, 1 or more. */
export const delayAfter = (tries: number): Effect.Effect<number> =>
  Schedule.run(
    Schedule.delays(schedule),
    0,
    Arr.makeBy(Math.min(tries, longestRun), () => undefined)
  ).pipe(
    Effect.map((delays) =>
      Option.match(Chunk.last(delays), { onNone: () => 0, onSome: (delay) => Duration.toMillis(delay) })
    )
  )
