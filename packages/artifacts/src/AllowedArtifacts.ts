import type { UserId } from "@bulkhead/domain"
import { Array, Context, Effect, Either, Layer, Record } from "effect"
import {
  type ArtifactGroup,
  type ArtifactKind,
  anyText,
  artifactGroups,
  defaultWhitelist,
  type Whitelist
} from "./ArtifactKinds.js"

/** What may be kept, by a list that has been read. */
export type Choice = (before: Whitelist) => Whitelist

/** In words that follow "expected". */
export const takes =
  "names separated by spaces: 'all', a group " +
  `(${artifactGroups.join(", ")}) or an extension like '.csv', each with '+' to add it or '-' to take it away`

const itemPattern = /^([+-]?)(all|\.[\w+-]{0,20}|[a-z]+)$/

const isGroup = (word: string): word is ArtifactGroup => artifactGroups.some((group) => group === word)

/** The kinds of an item, also those that a table does not have: what is allowed by name alone is text. */
const kindsOf = (word: string): Whitelist | undefined => {
  if (word === "all") return defaultWhitelist
  if (isGroup(word)) return Record.filter(defaultWhitelist, ({ group }) => group === word)
  if (!word.startsWith(".")) return undefined
  const extension = word.slice(1).toLowerCase()
  return {
    [extension]: Object.hasOwn(defaultWhitelist, extension)
      ? (defaultWhitelist[extension] ?? anyText)
      : anyText
  }
}

const without = (whitelist: Whitelist, kinds: Whitelist) =>
  Record.filter(whitelist, (_, extension) => !Object.hasOwn(kinds, extension))

const apply = (sign: string, kinds: Whitelist): Choice =>
  sign === "-" ? (before) => without(before, kinds) : (before) => ({ ...before, ...kinds })

const readItem = (item: string): Either.Either<Choice, string> => {
  const [, sign = "", word = ""] = itemPattern.exec(item) ?? []
  const kinds = kindsOf(word)
  return kinds === undefined ? Either.left(`got '${item.slice(0, 40)}'`) : Either.right(apply(sign, kinds))
}

/**
 * Reads a list. One whose first item has a sign changes what was allowed before, another begins with nothing. Left: what
 * is wrong with it, in words that follow "expected" and what it takes.
 */
export const parse = (text: string): Either.Either<Choice, string> => {
  const items = text.split(/[\s,]+/).filter((item) => item !== "")
  const beginsAnew = !/^[+-]/.test(items[0] ?? "")
  return Either.map(Either.all(items.map(readItem)), (choices) => (before) => {
    const start: Whitelist = beginsAnew ? {} : before
    return choices.reduce((whitelist, choice) => choice(whitelist), start)
  })
}

/** In words that follow "expected". */
export const takesForUsers = `'user list' pairs separated by ';', each list ${takes}`

/** Reads the lists of users, like `ann images .csv; bob -video`. */
export const parseForUsers = (text: string): Either.Either<ReadonlyMap<string, Choice>, string> =>
  Either.map(
    Either.all(
      text
        .split(";")
        .map((part) => part.trim())
        .filter((part) => part !== "")
        .map((part) => {
          const [user = "", ...items] = part.split(/\s+/)
          if (!/^[\w.@:+=,-]{1,128}$/.test(user)) return Either.left(`got the user '${user.slice(0, 40)}'`)
          if (items.length === 0) return Either.left(`got no list for '${user}'`)
          return Either.map(parse(items.join(" ")), (choice) => [user, choice] as const)
        })
    ),
    (pairs) => new Map(pairs)
  )

const passive = (kind: ArtifactKind): ArtifactKind => ({ ...kind, checks: [...kind.checks, ...kind.passive] })

export interface Options {
  /** What everybody's programs may leave. Default: every kind there is. */
  readonly kinds?: Choice
  /** What single users' may, over that. */
  readonly ofUsers?: ReadonlyMap<string, Choice>
  /** `refuse`: no file is kept in which a browser or a reader finds something to run. Default `keep`. */
  readonly activeContent?: "keep" | "refuse"
}

/** What may be kept, and of whom. Default: every kind there is. */
export class AllowedArtifacts extends Context.Reference<AllowedArtifacts>()(
  "@bulkhead/artifacts/AllowedArtifacts",
  {
    defaultValue: (): {
      /** What this user's programs may leave; of a user without a list of their own what everybody's may. */
      readonly of: (userId: UserId) => Effect.Effect<Whitelist>
    } => ({ of: () => Effect.succeed(defaultWhitelist) })
  }
) {
  static readonly layer = ({
    activeContent = "keep",
    kinds,
    ofUsers = new Map()
  }: Options): Layer.Layer<AllowedArtifacts> => {
    const judged = (whitelist: Whitelist) =>
      activeContent === "keep" ? whitelist : Record.map(whitelist, passive)
    const everyone = kinds === undefined ? defaultWhitelist : kinds(defaultWhitelist)
    const forAll = judged(everyone)
    const forUsers = new Map(
      Array.map([...ofUsers], ([user, choice]) => [user, judged(choice(everyone))] as const)
    )
    return Layer.succeed(AllowedArtifacts, {
      of: (userId) => Effect.succeed(forUsers.get(userId) ?? forAll)
    })
  }
}
