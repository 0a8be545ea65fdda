import { StoreFailure } from "@bulkhead/sandbox"
import { Duration, Effect, Predicate } from "effect"
import { DatabaseLost } from "./DatabaseFile.js"

/** Longest time for an answer to what is only read. */
const readBound = Duration.seconds(15)

/** Names of errors like `ECONNREFUSED`, `SQLITE_FULL`, `57P01`. */
const isCode = (code: unknown): code is string => typeof code === "string" && /^[A-Z0-9_]+$/.test(code)

/** Why, in words for everyone: of an error's own words only those that we have made, since others may name places. */
const publicReason = (cause: unknown): { readonly reason?: string } => {
  if (cause instanceof DatabaseLost) return { reason: cause.message }
  if (Predicate.hasProperty(cause, "code") && isCode(cause.code))
    return { reason: `the database says ${cause.code}` }
  return Predicate.hasProperty(cause, "cause") ? publicReason(cause.cause) : {}
}

const failure = (message: string) => (cause: unknown) =>
  new StoreFailure({ message, cause, ...publicReason(cause) })

/** Turns every error into the port's. Defects too: `@effect/sql` dies when a transaction cannot be committed. */
export const asStoreFailure =
  (message: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StoreFailure, R> =>
    effect.pipe(Effect.mapError(failure(message)), Effect.catchAllDefect(failure(message)))

/** The same for what only reads, which is given up after 15 s: a database may hang. */
export const asReadFailure =
  (message: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StoreFailure, R> =>
    asStoreFailure(message)(effect).pipe(
      Effect.disconnect,
      // Where nothing can be interrupted, the bound could not interrupt either.
      Effect.interruptible,
      Effect.timeoutFail({
        duration: readBound,
        onTimeout: () => new StoreFailure({ message, reason: "the database does not answer" })
      })
    )

/** The messages of an error and of its causes, for the operator. */
export const wordsOf = (error: Error): string =>
  error.cause instanceof Error ? `${error.message}: ${wordsOf(error.cause)}` : error.message
