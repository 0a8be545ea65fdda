// Plain timers: a fiber that sleeps costs a hundred times as much, and most of these never fire.

/** Node's timers take no longer one, and would fire at once. */
const LONGEST = 2 ** 31 - 1

/** Calls back after so many milliseconds; the answer calls that off. */
export const after = (milliseconds: number, callback: () => void): (() => void) => {
  const timer = setTimeout(callback, Math.min(milliseconds, LONGEST))
  return () => clearTimeout(timer)
}

/** Calls back every so many milliseconds; the answer stops that. */
export const every = (milliseconds: number, callback: () => void): (() => void) => {
  const timer = setInterval(callback, Math.min(milliseconds, LONGEST))
  return () => clearInterval(timer)
}
