import { UserId } from "@bulkhead/domain"
import { Context, Effect, Either, Layer, Option, Redacted, Schema } from "effect"
import * as BearerToken from "./BearerToken.js"

/** A caller's key, and the user it stands for. */
export interface CallerKey {
  readonly userId: UserId
  readonly key: Redacted.Redacted
}

// Names a pair by its place, since it holds a secret.
const parsePair = (pair: string, index: number): Either.Either<CallerKey, string> => {
  const colon = pair.indexOf(":")
  const userId = pair.slice(0, colon)
  const key = pair.slice(colon + 1)
  return colon > 0 && Schema.is(UserId)(userId) && BearerToken.isToken(key)
    ? Either.right({ userId, key: Redacted.make(key) })
    : Either.left(`pair ${index + 1} is not one`)
}

const withoutSharedKeys = (
  keys: ReadonlyArray<CallerKey>
): Either.Either<ReadonlyArray<CallerKey>, string> =>
  new Set(keys.map(({ key }) => Redacted.value(key))).size === keys.length
    ? Either.right(keys)
    : Either.left("two of them have the same key")

/** The users that have keys. Whoever holds none of them may not call. */
export class CallerKeys extends Context.Tag("@bulkhead/http/CallerKeys")<
  CallerKeys,
  {
    /** Whose key it is. How long it takes must not tell. */
    readonly ownerOf: (key: Redacted.Redacted) => Effect.Effect<Option.Option<UserId>>
  }
>() {
  /** What `parse` takes, in words that follow "expected". */
  static readonly takes =
    `user:key pairs separated by commas, each key of ${BearerToken.characters} and of one user`

  /** `user:key` pairs, separated by commas. A user may have several keys; each key belongs to one user. */
  static readonly parse = (text: string): Either.Either<ReadonlyArray<CallerKey>, string> =>
    Either.flatMap(
      Either.all(text.split(",").map((pair, index) => parsePair(pair.trim(), index))),
      withoutSharedKeys
    )

  /** Whose key it is among these. */
  static readonly ownerAmong = (keys: ReadonlyArray<CallerKey>) => {
    const owners = keys.map(({ key, userId }) => ({ userId, isKey: BearerToken.matches(key) }))
    // Compares with every key, so that the time does not tell which one matched.
    return (given: Redacted.Redacted): Option.Option<UserId> =>
      Option.map(Option.fromNullable(owners.filter(({ isKey }) => isKey(given))[0]), ({ userId }) => userId)
  }

  /** These keys; none lets nobody in. */
  static readonly layer = (keys: ReadonlyArray<CallerKey>): Layer.Layer<CallerKeys> =>
    Layer.sync(CallerKeys, () => {
      const ownerOf = CallerKeys.ownerAmong(keys)
      return { ownerOf: (given) => Effect.sync(() => ownerOf(given)) }
    })
}
