import { mostTargets, type NetworkMode, type NetworkPolicy, parseTarget, targetText } from "@bulkhead/domain"
import { Either, Option } from "effect"

/** What `parseTargets` takes, in words for people. */
export const takesTargets = `up to ${mostTargets} names, addresses or networks (pypi.org, *.a.com:443, 203.0.113.0/24), separated by commas`

const wordsOf = (text: string) => text.split(/[\s,]+/).filter((word) => word !== "")

const shown = (word: string) => word.slice(0, 80)

/** One target, as it is written down. Left: what is wrong with it. */
export const parseTargetWord = (word: string): Either.Either<string, string> =>
  Either.mapBoth(parseTarget(word), {
    onLeft: (flaw) => `got '${shown(word)}': ${flaw}`,
    onRight: targetText
  })

/** Left: there are too many. */
export const boundedTargets = <A>(list: ReadonlyArray<A>): Either.Either<ReadonlyArray<A>, string> =>
  list.length <= mostTargets ? Either.right(list) : Either.left(`got ${list.length} of them`)

/** A list of targets, as a setting has it. Left: what it got instead. */
export const parseTargets = (text: string): Either.Either<ReadonlyArray<string>, string> =>
  Either.flatMap(Either.all(wordsOf(text).map(parseTargetWord)), boundedTargets)

/** What settings say of the network. */
export interface NetworkSetting {
  readonly mode: Option.Option<NetworkMode>
  readonly allow: Option.Option<ReadonlyArray<string>>
  readonly deny: Option.Option<ReadonlyArray<string>>
}

const orNone = (list: Option.Option<ReadonlyArray<string>>) =>
  Option.getOrElse(list, (): ReadonlyArray<string> => [])

/** What nobody can have more of. Without a mode it is `filtered` where something is allowed, else `otherwise`. */
export const boundOf = ({ allow, deny, mode }: NetworkSetting, otherwise: NetworkMode): NetworkPolicy => ({
  mode: Option.getOrElse(mode, () => (Option.isSome(allow) ? "filtered" : otherwise)),
  allow: orNone(allow),
  deny: orNone(deny)
})

/** What is wrong with what is allowed, given the mode, whose setting has this name; undefined: nothing. */
export const flawOfAllow = ({ allow, mode }: NetworkPolicy, modeName: string): string | undefined => {
  if (mode !== "filtered" && allow.length > 0) return `expected none, since ${modeName} is '${mode}'`
  return mode === "filtered" && allow.length === 0
    ? `expected something, since ${modeName} is '${mode}'`
    : undefined
}
