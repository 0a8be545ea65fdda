import type { Place } from "./Facts.js"

/** Where in a program its reader is: within which functions, and in loops without an end or not. */
export interface Surroundings {
  /** Reads what is in a loop. */
  readonly inLoop: <A>(isEndless: boolean, read: () => A) => A
  /** Reads what is in a function; the loops around it count only if it is called right there. */
  readonly inFunction: <A>(name: string, isCalledThere: boolean, read: () => A) => A
  /** Has a function be one that calls itself. */
  readonly callsItself: (name: string) => void
  /** The innermost function. */
  readonly innermost: () => string | undefined
  readonly isWithin: (matches: (name: string) => boolean) => boolean
  /** What the place of a call is. */
  readonly places: (isRecursive?: boolean) => ReadonlySet<Place>
}

export const make = (): Surroundings => {
  const functions: Array<string> = []
  const recursive = new Set<string>()
  let endlessLoops = 0

  const isWithin = (matches: (name: string) => boolean) => functions.some(matches)

  return {
    inLoop: (isEndless, read) => {
      if (!isEndless) return read()
      endlessLoops++
      const result = read()
      endlessLoops--
      return result
    },
    inFunction: (name, isCalledThere, read) => {
      const outer = endlessLoops
      if (!isCalledThere) endlessLoops = 0
      functions.push(name)
      const result = read()
      functions.pop()
      endlessLoops = outer
      return result
    },
    callsItself: (name) => void recursive.add(name),
    innermost: () => functions.at(-1),
    isWithin,
    places: (isRecursive = false) => {
      const places = new Set<Place>()
      if (endlessLoops > 0) places.add("endless-loop")
      // What forks in a function that calls itself forks without an end.
      if (isRecursive || isWithin((name) => recursive.has(name))) places.add("recursion")
      return places
    }
  }
}

/** Whether a function's body has a call of that name, which is no other thing's method. */
export const hasCallOf = (name: string, body: string) =>
  name !== "" && new RegExp(`(?<![.\\w])${name.replace(/[^\w]/g, ".")}\\s*\\(`).test(body)
