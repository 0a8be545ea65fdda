import { Effect } from "effect"

/** Lets Node do its input and output. libsql's calls block, and a fiber that yields only makes way for other fibers. */
export const nextTurn = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})
