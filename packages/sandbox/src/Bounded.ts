import { type Duration, Effect } from "effect"

/** Whether an effect succeeds in time. Nobody waits for the end of one that does not. */
export const succeedsWithin = <E>(
  effect: Effect.Effect<void, E>,
  period: Duration.Duration
): Effect.Effect<boolean> =>
  Effect.isSuccess(effect).pipe(
    Effect.disconnect,
    Effect.timeoutTo({ duration: period, onSuccess: (done) => done, onTimeout: () => false })
  )
