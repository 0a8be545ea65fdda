import { useEffect, useRef, useState } from "preact/hooks"
import { atBeat } from "./Beat.js"
import { wordsOf } from "./Requests.js"

export interface Loaded<A> {
  /** The last that came, also while more is under way or fails. */
  readonly value: A | undefined
  readonly failure: string | undefined
}

/**
 * Loads something, and again whenever the version changes: one load at a time, and after it one for all changes that
 * came meanwhile. Another key is something else: what was there is forgotten.
 *
 * What changes by itself has a pace: at least so many milliseconds are between two loads, and what they bring is shown
 * at the page's beat. Without one, both are done at once.
 */
export const useLoaded = <A>(
  load: (abort: AbortSignal) => Promise<A>,
  key: string,
  version: string | number,
  pace?: number
): Loaded<A> => {
  const [state, setState] = useState<Loaded<A> & { readonly key: string }>({
    key,
    value: undefined,
    failure: undefined
  })
  const run = useRef({
    isBusy: false,
    isWanted: false,
    hasShown: false,
    key: "",
    abort: new AbortController()
  })

  const start = (): void => {
    const own = run.current
    own.isBusy = true
    own.isWanted = false
    const begun = performance.now()
    const show = (change: (last: Loaded<A>) => Loaded<A>) => {
      own.hasShown = true
      if (own.abort.signal.aborted) return
      setState((last) => ({
        key: own.key,
        ...change(last.key === own.key ? last : { value: undefined, failure: undefined })
      }))
    }
    const goOn = () => {
      own.isBusy = false
      if (own.isWanted && !own.abort.signal.aborted) start()
    }
    const done = (change: (last: Loaded<A>) => Loaded<A>) => {
      if (pace === undefined || !own.hasShown) show(change)
      else atBeat(() => show(change))
      if (pace === undefined) goOn()
      else setTimeout(goOn, Math.max(0, begun + pace - performance.now()))
    }
    load(own.abort.signal).then(
      (value) => done(() => ({ value, failure: undefined })),
      (failure) => done(({ value }) => ({ value, failure: wordsOf(failure) }))
    )
  }

  useEffect(() => {
    run.current = { isBusy: false, isWanted: false, hasShown: false, key, abort: new AbortController() }
    const own = run.current
    return () => own.abort.abort()
  }, [key])

  useEffect(() => {
    if (run.current.isBusy) run.current.isWanted = true
    else start()
  }, [key, version])

  return state.key === key ? state : { value: undefined, failure: undefined }
}
