import { Effect, Scheduler } from "effect"

/**
 * Effect lets a fiber that always has work go on for 2,048 rounds of 2,048 steps before the event loop turns, which is a
 * second or more in which nobody else is heard.
 */
const roundsInARow = 4

/** Lets what comes from outside have its turn every few milliseconds, whatever the program's fibers do. */
export const take = Effect.withScheduler(new Scheduler.MixedScheduler(roundsInARow))
