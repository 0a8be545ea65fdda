import { ArtifactStoreFailure } from "@bulkhead/artifacts"
import { Duration, Effect, Predicate } from "effect"

/** PostgreSQL's and SQLite's names for a disk that is full. */
const fullCodes = new Set(["53100", "SQLITE_FULL"])

/** Longest time for what is asked of the database for artifacts. */
const bound = Duration.seconds(30)

const isFull = (error: unknown): boolean =>
  Predicate.hasProperty(error, "code") && fullCodes.has(String(error.code))
    ? true
    : Predicate.hasProperty(error, "cause") && isFull(error.cause)

const failureOf = (cause: unknown) =>
  cause instanceof ArtifactStoreFailure
    ? cause
    : new ArtifactStoreFailure({ reason: isFull(cause) ? "NoSpace" : "Unavailable", cause })

const silent = new ArtifactStoreFailure({ reason: "Unavailable", cause: "the database does not answer" })

/**
 * Turns every error into the port's, defects too: `@effect/sql` dies when a transaction cannot be committed. What takes
 * longer than 30 s is given up: a database may hang.
 */
export const asArtifactFailure = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, ArtifactStoreFailure, R> =>
  effect.pipe(
    Effect.mapError(failureOf),
    Effect.catchAllDefect((defect) => failureOf(defect)),
    Effect.disconnect,
    // Some of it is asked where nothing can be interrupted, but for this bound.
    Effect.interruptible,
    Effect.timeoutFail({ duration: bound, onTimeout: () => silent })
  )
