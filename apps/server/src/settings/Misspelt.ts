import { Array as Arr, Option, Order } from "effect"
import { distance } from "fastest-levenshtein"

/** Letters that a slip of the hand may have changed, added or left out. */
const mostSlips = 3

/** These belong to this server alone, so every one that it does not know is a mistake. */
const isOurs = (name: string) => name.startsWith("SANDBOX_")

/** Of other programs there may be some that begin like ours, but hardly one that is so close. */
const isLikeOurs = (name: string) => /^(ADMIN|CLAMAV|DATABASE|E2B)_/.test(name)
const mostSlipsOfOthers = 2

const nearest = (name: string, known: ReadonlyArray<string>) =>
  Option.map(
    Option.liftPredicate(known, Arr.isNonEmptyReadonlyArray),
    Arr.min(Order.mapInput(Order.number, (other: string) => distance(name, other)))
  )

const warningOf = (known: ReadonlyArray<string>) => (name: string) => {
  const close = (most: number) =>
    Option.filter(nearest(name, known), (other) => distance(name, other) <= most)
  if (isOurs(name)) {
    const hint = Option.match(close(mostSlips), {
      onNone: () => "docs/settings.md lists those that it knows",
      onSome: (other) => `did you mean ${other}?`
    })
    return Option.some(`${name}: the server knows no such variable and ignores it; ${hint}`)
  }
  return isLikeOurs(name)
    ? Option.map(
        close(mostSlipsOfOthers),
        (other) => `${name}: the server ignores this variable; did you mean ${other}?`
      )
    : Option.none()
}

/** What to say of the variables of an environment that look as if they were meant for the server, but are not known. */
export const warnings = (
  names: ReadonlyArray<string>,
  known: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const unknown = names.filter((name) => !known.includes(name)).toSorted()
  return Arr.filterMap(unknown, warningOf(known))
}
