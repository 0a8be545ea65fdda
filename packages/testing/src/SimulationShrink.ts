import type { MetFault } from "./Faults.js"
import { type Outcome, type Parts, play } from "./Simulation.js"
import type { History, Step } from "./SimulationHistory.js"

/** How many histories may be tried on the way to the shortest. */
const tries = 400

const without = <A>(values: ReadonlyArray<A>, from: number, count: number) => [
  ...values.slice(0, from),
  ...values.slice(from + count)
]

/** Parts of a list that may be left out: halves first, single ones last. */
function* chunks(length: number): Generator<readonly [from: number, count: number]> {
  for (let size = Math.ceil(length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < length; from += size) yield [from, Math.min(size, length - from)]
  }
}

const sparing = (history: History, faults: ReadonlyArray<MetFault>): History => ({
  ...history,
  spared: new Set([...history.spared, ...faults.map(({ key }) => key)])
})

/** The histories that are a little shorter than this one. */
function* shorter({ faults, history }: Outcome): Generator<History> {
  const { steps } = history
  for (const [from, count] of chunks(steps.length)) yield { ...history, steps: without(steps, from, count) }
  if (faults.length > 0) yield { ...history, faultPercent: 0 }
  for (const [from, count] of chunks(faults.length)) yield sparing(history, faults.slice(from, from + count))
  for (const [at, step] of steps.entries()) {
    if (step._tag !== "Pass" || step.milliseconds < 2) continue
    const halved: Step = { ...step, milliseconds: Math.floor(step.milliseconds / 2) }
    yield { ...history, steps: [...steps.slice(0, at), halved, ...steps.slice(at + 1)] }
  }
}

/** The shortest history it can find that breaks the same invariant. */
export const shrink = (failed: Outcome, parts: Parts = {}): Outcome => {
  let shortest = failed
  let left = tries
  const findShorter = () => {
    for (const history of shorter(shortest)) {
      if (left-- <= 0) return undefined
      const outcome = play(history, parts)
      if (outcome.violation?.invariant === failed.violation?.invariant) return outcome
    }
    return undefined
  }
  for (let found = findShorter(); found !== undefined; found = findShorter()) shortest = found
  return shortest
}
