import { Deferred, type Duration, Effect, Exit, Fiber, FiberId, type Scope } from "effect"
import * as Alarm from "./Alarm.js"

/**
 * Runs one thing after another, and fails each that takes longer than `bound`. What cannot be interrupted then is left to itself, as when
 * this is interrupted.
 */
export const make = Effect.fnUntraced(function* <T>(
  bound: Duration.DurationInput,
  onTimeout: () => T
): Effect.fn.Return<<A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | T>, never, Scope.Scope> {
  let expire = () => {}
  const alarm = yield* Alarm.make(bound, () => expire())

  return <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), (fiber) => {
        const done = Deferred.unsafeMake<A, E | T>(FiberId.none)
        fiber.addObserver((exit) => Deferred.unsafeDone(done, exit))
        expire = () => Deferred.unsafeDone(done, Exit.fail(onTimeout()))
        alarm.set()
        return Effect.onExit(restore(Deferred.await(done)), (exit) => {
          alarm.clear()
          return Exit.isSuccess(exit) ? Effect.void : Fiber.interruptFork(fiber)
        })
      })
    )
})
