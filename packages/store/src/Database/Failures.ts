import { StoreFailure } from "@bulkhead/sandbox"
import { Effect } from "effect"

/** Turns every error into the port's. Defects too: `@effect/sql` dies when a transaction cannot be committed. */
export const asStoreFailure =
  (message: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StoreFailure, R> =>
    effect.pipe(
      Effect.mapError((cause) => new StoreFailure({ message, cause })),
      Effect.catchAllDefect((cause) => new StoreFailure({ message, cause }))
    )
