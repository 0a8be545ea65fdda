import { Array as Arr, Duration, Effect } from "effect"
import type { Block } from "./Row.js"

/**
 * Runs an effect again and again in so many fibers until the time is up; what has begun by then is waited for and counts. It does little
 * beside, since that would count too.
 */
export const run = Effect.fnUntraced(function* <E, R>(
  once: Effect.Effect<unknown, E, R>,
  concurrency: number,
  duration: Duration.Duration
) {
  const latencies: Array<number> = []
  const clock = yield* Effect.clock
  const now = () => Number(clock.unsafeCurrentTimeNanos()) / 1e6
  const startedAt = now()
  const endsAt = startedAt + Duration.toMillis(duration)
  const timed = Effect.suspend(() => {
    const askedAt = now()
    return Effect.map(once, () => latencies.push(now() - askedAt))
  })
  const worker = Effect.whileLoop({ while: () => now() < endsAt, body: () => timed, step: () => {} })
  yield* Effect.all(
    Arr.makeBy(concurrency, () => worker),
    { concurrency: "unbounded", discard: true }
  )
  const block: Block = { latencies, wallMs: now() - startedAt }
  return block
})
