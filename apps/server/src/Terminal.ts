import { Effect } from "effect"

/** Whether somebody reads stdout on a terminal. If not, it has lines of JSON alone. */
export const isOnStdout = Effect.sync(() => process.stdout.isTTY === true)
