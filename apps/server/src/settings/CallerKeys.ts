import { UserId } from "@bulkhead/domain"
import { Either, Redacted, Schema } from "effect"
import type { CallerKey } from "../http/authentication/Credentials.js"
import { isToken, tokenCharacters } from "./Formats.js"
import type { Format } from "./Setting.js"

// Names a pair by its place, since it holds a secret.
const parsePair = (pair: string, index: number): Either.Either<CallerKey, string> => {
  const colon = pair.indexOf(":")
  const userId = pair.slice(0, colon)
  const key = pair.slice(colon + 1)
  return colon > 0 && Schema.is(UserId)(userId) && isToken(key)
    ? Either.right({ userId, key: Redacted.make(key) })
    : Either.left(`pair ${index + 1} is not one`)
}

const withoutSharedKeys = (
  keys: ReadonlyArray<CallerKey>
): Either.Either<ReadonlyArray<CallerKey>, string> =>
  new Set(keys.map(({ key }) => Redacted.value(key))).size === keys.length
    ? Either.right(keys)
    : Either.left("two of them have the same key")

/** `user:key` pairs, separated by commas. A user may have several keys; each key belongs to one user. */
export const format: Format<ReadonlyArray<CallerKey>> = {
  takes: `user:key pairs separated by commas, each key of ${tokenCharacters} and of one user`,
  parse: (text) =>
    Either.flatMap(
      Either.all(text.split(",").map((pair, index) => parsePair(pair.trim(), index))),
      withoutSharedKeys
    ),
  isSecret: true
}
