import { Deferred, Duration, Effect, Option } from "effect"
import { type Deposed, LedgerFailure } from "./PermitLedger.js"
import { NotOwner } from "./Protocol.js"

/** How long a write of the ledger may take. */
const writeBound = Duration.seconds(5)

/** The time in which this is the owner of admission. It is over when there is a later one, and never comes back. */
export interface Tenure {
  /** Larger than those of all owners before. */
  readonly epoch: number
  /** Fails when the time is over. */
  readonly check: Effect.Effect<void, NotOwner>
  /** Fails when the time is over, and not before. */
  readonly over: Effect.Effect<never, NotOwner>
  readonly end: (reason: string) => Effect.Effect<void>
  /** Writes to the ledger. Gives whether it took it. When there is a later owner, the time is over. */
  readonly write: (
    change: (epoch: number) => Effect.Effect<void, Deposed | LedgerFailure>
  ) => Effect.Effect<boolean>
}

/** Begins with the epoch that the ledger gave. */
export const make = Effect.fnUntraced(function* (epoch: number) {
  const over = yield* Deferred.make<never, NotOwner>()
  const end = (reason: string) => Effect.asVoid(Deferred.fail(over, new NotOwner({ reason })))

  const write: Tenure["write"] = (change) =>
    change(epoch).pipe(
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutFail({
        duration: writeBound,
        onTimeout: () => new LedgerFailure({ cause: "it took too long" })
      }),
      Effect.as(true),
      Effect.catchTags({
        Deposed: ({ message }) => Effect.as(end(message), false),
        LedgerFailure: (failure) => Effect.as(Effect.logWarning(failure), false)
      })
    )

  const check = Effect.flatMap(
    Deferred.poll(over),
    Option.match({ onNone: () => Effect.void, onSome: (failure) => failure })
  )
  return { epoch, check, over: Deferred.await(over), end, write } satisfies Tenure
})
