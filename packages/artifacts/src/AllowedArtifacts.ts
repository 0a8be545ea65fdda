import type { UserId } from "@bulkhead/domain"
import { Context, Effect, Either, HashMap, Layer, Option, Record, Ref } from "effect"
import {
  type ArtifactGroup,
  type ArtifactKind,
  anyText,
  artifactGroups,
  defaultWhitelist,
  type Whitelist
} from "./ArtifactKinds.js"

/** What may be kept, by a list that has been read. */
export type ArtifactChoice = (before: Whitelist) => Whitelist

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

const apply = (sign: string, kinds: Whitelist): ArtifactChoice =>
  sign === "-" ? (before) => without(before, kinds) : (before) => ({ ...before, ...kinds })

const readItem = (item: string): Either.Either<ArtifactChoice, string> => {
  const [, sign = "", word = ""] = itemPattern.exec(item) ?? []
  const kinds = kindsOf(word)
  return kinds === undefined ? Either.left(`got '${item.slice(0, 40)}'`) : Either.right(apply(sign, kinds))
}

/**
 * Reads a list. One whose first item has a sign changes what was allowed before, another begins with nothing. Left: what
 * is wrong with it, in words that follow "expected" and what it takes.
 */
export const parse = (text: string): Either.Either<ArtifactChoice, string> => {
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
export const parseForUsers = (text: string): Either.Either<ReadonlyMap<string, ArtifactChoice>, string> =>
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
  readonly kinds?: ArtifactChoice
  /** What single users' may, over that. */
  readonly ofUsers?: ReadonlyMap<string, ArtifactChoice>
  /** `refuse`: no file is kept in which a browser or a reader finds something to run. Default `keep`. */
  readonly activeContent?: "keep" | "refuse"
}

const make = ({ activeContent = "keep", kinds, ofUsers = new Map() }: Options) =>
  Effect.gen(function* () {
    const judged = (whitelist: Whitelist) =>
      activeContent === "keep" ? whitelist : Record.map(whitelist, passive)
    const everyone = kinds === undefined ? defaultWhitelist : kinds(defaultWhitelist)
    const forAll = judged(everyone)
    const settings = HashMap.fromIterable(
      [...ofUsers].map(([user, choice]) => [user, judged(choice(everyone))] as const)
    )
    const users = yield* Ref.make(settings)
    const whitelistOf = (userId: string, choice: ArtifactChoice | undefined) =>
      choice === undefined ? HashMap.get(settings, userId) : Option.some(judged(choice(everyone)))
    return {
      activeContent,
      of: (userId: UserId) =>
        Effect.map(Ref.get(users), (all) => Option.getOrElse(HashMap.get(all, userId), () => forAll)),
      set: (userId: UserId, choice: ArtifactChoice | undefined) =>
        Ref.update(users, (all) =>
          Option.match(whitelistOf(userId, choice), {
            onNone: () => HashMap.remove(all, userId),
            onSome: (whitelist) => HashMap.set(all, userId, whitelist)
          })
        )
    }
  })

/** What may be kept, and of whom. Default: every kind there is, whoever asks for what. */
export class AllowedArtifacts extends Context.Reference<AllowedArtifacts>()(
  "@bulkhead/artifacts/AllowedArtifacts",
  {
    defaultValue: (): {
      /** What this user's programs may leave; of a user without a list of their own, what everybody's may. */
      readonly of: (userId: UserId) => Effect.Effect<Whitelist>
      /** Gives a user another list from now on, over what everybody's programs may leave; none: the settings' own. */
      readonly set: (userId: UserId, choice: ArtifactChoice | undefined) => Effect.Effect<void>
      readonly activeContent: "keep" | "refuse"
    } => Effect.runSync(make({}))
  }
) {}

/** What the options say, until somebody sets a user's list. */
export const layer = (options: Options): Layer.Layer<AllowedArtifacts> =>
  Layer.effect(AllowedArtifacts, make(options))
