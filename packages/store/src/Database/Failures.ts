import { StoreFailure } from "@bulkhead/sandbox"
import { Effect } from "effect"

/** Whatever went wrong with the database, as the port's failure. A transaction that could not be committed is a defect to `@effect/sql`. */
export const asStoreFailure =
  (message: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StoreFailure, R> =>
    effect.pipe(
      Effect.mapError((cause) => new StoreFailure({ message, cause })),
      Effect.catchAllDefect((cause) => new StoreFailure({ message, cause }))
    )
