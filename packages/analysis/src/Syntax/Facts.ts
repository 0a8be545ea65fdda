import type { Value } from "./Value.js"

/** Languages whose syntax is known here. */
export type Analysed = "python" | "javascript" | "bash"

/** Where a call stands: in a loop without an end, or in a function that it calls again. */
export type Place = "endless-loop" | "recursion"

/** A call of a function, or a command. */
export interface Call {
  readonly name: string
  readonly args: ReadonlyArray<Value>
  /** What a method belongs to. */
  readonly self?: Value
  readonly line: number
  readonly places: ReadonlySet<Place>
}

/** A constant text that is not mere documentation. */
export interface Text {
  readonly text: string
  readonly line: number
}

/** Hears what a program does, as far as its syntax tells. */
export interface Listener {
  readonly call: (call: Call) => void
  readonly text: (text: Text) => void
}

/** Tells the line of a position, from 1. */
export const lineCounter = (code: string) => {
  const ends: Array<number> = []
  for (let at = code.indexOf("\n"); at >= 0; at = code.indexOf("\n", at + 1)) ends.push(at)
  return (position: number) => {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((ends[middle] ?? 0) < position) low = middle + 1
      else high = middle
    }
    return low + 1
  }
}
