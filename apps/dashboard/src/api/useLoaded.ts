import { useEffect, useRef, useState } from "preact/hooks"
import { wordsOf } from "./Requests.js"

export interface Loaded<A> {
  /** The last that came, also while more is under way or fails. */
  readonly value: A | undefined
  readonly failure: string | undefined
}

/**
 * Loads something, and again whenever the version changes: one load at a time, and after it one for all changes that
 * came meanwhile. Another key is something else: what was there is forgotten.
 */
export const useLoaded = <A>(
  load: (abort: AbortSignal) => Promise<A>,
  key: string,
  version: string | number
): Loaded<A> => {
  const [state, setState] = useState<Loaded<A> & { readonly key: string }>({
    key,
    value: undefined,
    failure: undefined
  })
  const run = useRef({ isBusy: false, isWanted: false, key: "", abort: new AbortController() })

  const start = (): void => {
    const own = run.current
    own.isBusy = true
    own.isWanted = false
    const done = (change: (last: Loaded<A>) => Loaded<A>) => {
      if (own.abort.signal.aborted) return
      own.isBusy = false
      setState((last) => ({
        key: own.key,
        ...change(last.key === own.key ? last : { value: undefined, failure: undefined })
      }))
      if (own.isWanted) start()
    }
    load(own.abort.signal).then(
      (value) => done(() => ({ value, failure: undefined })),
      (failure) => done(({ value }) => ({ value, failure: wordsOf(failure) }))
    )
  }

  useEffect(() => {
    run.current = { isBusy: false, isWanted: false, key, abort: new AbortController() }
    const own = run.current
    return () => own.abort.abort()
  }, [key])

  useEffect(() => {
    if (run.current.isBusy) run.current.isWanted = true
    else start()
  }, [key, version])

  return state.key === key ? state : { value: undefined, failure: undefined }
}
