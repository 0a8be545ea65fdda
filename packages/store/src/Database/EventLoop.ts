import { Effect } from "effect"

/** Lets input and output have their turn: libsql's calls block, and a fiber's own yield leads to other fibers first. */
export const nextTurn = Effect.async<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})
