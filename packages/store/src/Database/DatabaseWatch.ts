import { StoreFailure } from "@bulkhead/sandbox"
import { Duration, Effect, Option, Ref, Schedule } from "effect"
import { wordsOf } from "./Failures.js"

const interval = Duration.seconds(1)

/** A database that has not answered by then counts as lost. */
const patience = Duration.seconds(5)

const message = "The database cannot be used"

const silent = new StoreFailure({
  message: `${message}: it does not answer`,
  reason: "the database does not answer"
})

/**
 * Looks at the database every second, so that its loss is known, and named in the log, before anybody needs it. Gives
 * what fails from then on until the database is back.
 */
export const make = Effect.fnUntraced(function* (probe: Effect.Effect<void, StoreFailure>) {
  const lost = yield* Ref.make(Option.none<StoreFailure>())

  const onLost = (failure: StoreFailure) =>
    Effect.flatMap(Ref.getAndSet(lost, Option.some(failure)), (before) =>
      Option.isSome(before) && before.value.reason === failure.reason
        ? Effect.void
        : Effect.logError(wordsOf(failure))
    )
  const onFound = Effect.flatMap(Ref.getAndSet(lost, Option.none()), (before) =>
    Option.isSome(before) ? Effect.logWarning("The database can be used again") : Effect.void
  )

  yield* probe.pipe(
    Effect.disconnect,
    Effect.timeoutFail({ duration: patience, onTimeout: () => silent }),
    Effect.matchEffect({ onFailure: onLost, onSuccess: () => onFound }),
    Effect.schedule(Schedule.spaced(interval)),
    Effect.interruptible,
    Effect.forkScoped
  )
  return Effect.flatMap(Ref.get(lost), Option.match({ onNone: () => Effect.void, onSome: Effect.fail }))
})
