import { Duration, Effect, type Scope } from "effect"

/** Rings once, so long after it was set, unless it is cleared before. To set it again sets it anew. */
export interface Alarm {
  readonly set: () => void
  readonly clear: () => void
}

/** One fiber for all that is waited for: to race each thing against a sleep would cost more than the thing itself. */
export const make = Effect.fnUntraced(function* (
  after: Duration.DurationInput,
  ring: () => void
): Effect.fn.Return<Alarm, never, Scope.Scope> {
  // Its nanoseconds are those of a clock that nobody sets.
  const clock = yield* Effect.clock
  const wait = Duration.unsafeToNanos(after)
  const isSet = yield* Effect.makeLatch()
  let due = 0n

  const set = () => {
    due = clock.unsafeCurrentTimeNanos() + wait
    isSet.unsafeOpen()
  }
  const clear = () => isSet.unsafeClose()

  // It sleeps on when it is cleared or set anew, and then looks again.
  const look = Effect.suspend(() => {
    const left = due - clock.unsafeCurrentTimeNanos()
    if (left > 0n) return Effect.sleep(Duration.nanos(left))
    clear()
    ring()
    return Effect.void
  })
  const run = Effect.forever(isSet.whenOpen(look))
  yield* Effect.forkScoped(Effect.interruptible(run))

  return { set, clear }
})
