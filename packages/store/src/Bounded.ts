import { Timers } from "@bulkhead/sandbox"
import { Deferred, Duration, Effect, Exit, Fiber, FiberId, type Scope } from "effect"

/** Fails each that takes longer than `bound`. What cannot be interrupted then is left to itself, as when this is interrupted. */
export const make = Effect.fnUntraced(function* <T>(
  bound: Duration.DurationInput,
  onTimeout: () => T
): Effect.fn.Return<<A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | T>, never, Scope.Scope> {
  const timers = yield* Timers.make
  const longest = Duration.decode(bound)

  return <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), (fiber) => {
        const done = Deferred.unsafeMake<A, E | T>(FiberId.none)
        fiber.addObserver((exit) => Deferred.unsafeDone(done, exit))
        const cancel = timers.after(longest, () => Deferred.unsafeDone(done, Exit.fail(onTimeout())))
        return Effect.onExit(restore(Deferred.await(done)), (exit) => {
          cancel()
          return Exit.isSuccess(exit) ? Effect.void : Fiber.interruptFork(fiber)
        })
      })
    )
})
