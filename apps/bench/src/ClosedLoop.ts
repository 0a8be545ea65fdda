import { Array as Arr, Clock, Duration, Effect } from "effect"
import type { Block } from "./Row.js"

const now = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)

/** Runs an effect again and again in so many fibers until the time is up; what has begun by then is waited for and counts. */
export const run = Effect.fnUntraced(function* <E, R>(
  once: Effect.Effect<unknown, E, R>,
  concurrency: number,
  duration: Duration.Duration
) {
  const latencies: Array<number> = []
  const startedAt = yield* now
  const sinceStart = Effect.map(now, (time) => time - startedAt)
  const isOver = Effect.map(sinceStart, (elapsed) => elapsed >= Duration.toMillis(duration))
  const worker = Effect.timed(once).pipe(
    Effect.map(([taken]) => latencies.push(Duration.toMillis(taken))),
    Effect.repeat({ until: () => isOver })
  )
  yield* Effect.all(
    Arr.makeBy(concurrency, () => worker),
    { concurrency: "unbounded", discard: true }
  )
  const block: Block = { latencies, wallMs: yield* sinceStart }
  return block
})
