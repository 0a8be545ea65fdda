import { Effect, Scope } from "effect"

/** Effect's `acquireRelease` for what is made often: its releases do not compare and merge all fiber-local state. */
export const acquireRelease = <A, E>(
  acquire: Effect.Effect<A, E>,
  release: (held: A) => Effect.Effect<void>
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.tap(acquire, (held) => Scope.addFinalizer(scope, release(held)))
    )
  )
