import { Clock, Duration, Effect } from "effect"

export interface Bounds {
  /** By when it must have started, from now. */
  readonly start: Duration.Duration
  /** How long it may run once it has. */
  readonly run: Duration.Duration
}

/** Milliseconds between looks at what has not started, at least. What may run for less than this may be given as much. */
const shortestNap = 50

/** Returns when something is late, and tells for what: `startedAt` says when it started, in milliseconds since the epoch, once it has. */
export const passed = Effect.fnUntraced(function* (
  { run, start }: Bounds,
  startedAt: () => number | undefined
) {
  const longest = Duration.toMillis(run)
  const startBy = (yield* Clock.currentTimeMillis) + Duration.toMillis(start)
  for (;;) {
    const since = startedAt()
    const left = (since === undefined ? startBy : since + longest) - (yield* Clock.currentTimeMillis)
    if (left <= 0) return since === undefined ? "start" : "end"
    // Whatever has not started yet must end no sooner than `run` from now.
    yield* Effect.sleep(since === undefined ? Math.min(left, Math.max(longest, shortestNap)) : left)
  }
})
