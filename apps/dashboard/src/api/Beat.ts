import { batch } from "@preact/signals"

/** Milliseconds from one change of what is shown to the next. */
export const interval = 500

let last = Number.NEGATIVE_INFINITY
let waiting: ReadonlyArray<() => void> = []

const show = () => {
  const changes = waiting
  last = performance.now()
  waiting = []
  batch(() => {
    for (const change of changes) change()
  })
}

/** Makes a change that nobody at the page asked for together with all others, so that it changes twice a second at most. */
export const atBeat = (change: () => void): void => {
  waiting = [...waiting, change]
  if (waiting.length === 1) setTimeout(show, Math.max(0, last + interval - performance.now()))
}
