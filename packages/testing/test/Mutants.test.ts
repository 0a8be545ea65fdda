import { Simulation } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Mutants from "./Mutants.js"
import { seeds } from "./Seeds.js"

/** The first seed at which a service with these parts breaks this invariant. */
const findSeed = Effect.fnUntraced(function* (parts: Simulation.Parts, invariant: Simulation.Invariant) {
  for (let seed = 1; seed <= seeds; seed++) {
    // Vitest gives up a worker that it does not hear from; a pause lets it speak.
    yield* Effect.sleep("0 millis")
    if (Simulation.simulate(seed, parts).violation?.invariant === invariant) return seed
  }
  return undefined
})

const mutants: ReadonlyArray<readonly [string, Simulation.Parts, Simulation.Invariant]> = [
  ["a permit is released twice", Mutants.permitReleasedTwice, "caps"],
  ["a finalizer is skipped", Mutants.finalizerSkipped, "nothing left"],
  ["a sandbox has more of the network than its request", Mutants.networkWidened, "network"],
  ["the reaper is dropped", Mutants.reaperDropped, "nothing left"],
  ["the last in is the first out", Mutants.lastComeFirstServed, "first come, first served"],
  ["one user goes before all others", Mutants.noisyUserFirst, "turns"],
  ["a free place is not given to those who wait", Mutants.placesForgotten, "idle place"],
  ["GPUs are not counted", Mutants.gpusNotCounted, "caps"],
  ["few GPUs are taken from under one who waits for many", Mutants.smallOnesOvertake, "GPUs in turn"],
  ["an end is written twice", Mutants.endWrittenTwice, "one terminal event"],
  ["an end is not written", Mutants.endNotWritten, "one terminal event"],
  ["a kill is lost", Mutants.killLost, "deadlines"],
  ["code runs again without leave", Mutants.runAgainWithoutLeave, "runs once"],
  ["a sandbox is said to be gone and is not", Mutants.destroyClaimed, "truth"],
  ["a fiber is left behind", Mutants.fiberLeaked, "nothing left"],
  ["a job of a service that died is not ended", Mutants.deadForgotten, "one terminal event"],
  ["an end is not announced", Mutants.endNotAnnounced, "messages"],
  ["a message is tried only once", Mutants.messageTriedOnce, "messages"],
  ["a message is lost that is under way when its sender dies", Mutants.messageLostUnderWay(), "messages"],
  ["copies of a message differ in their ids", Mutants.messageIdOfEachCopy, "messages"],
  ["a message is given up too early", Mutants.messageGivenUpEarly, "messages"],
  ["a message is given up and nobody told", Mutants.messageGivenUpSilently, "messages"],
  ["a reader is not told what it has missed", Mutants.missedUnsaid, "truth"],
  ["a reader who comes back is told something again", Mutants.toldAgain, "one answer"],
  ["a piece of output is lost on its way to a reader", Mutants.pieceLost, "truth"],
  ["a refused file is not told of", Mutants.fileNotTold, "truth"],
  ["a reader is not told how it ended", Mutants.endNotTold, "one answer"]
]

describe("the simulation finds out when", () => {
  it.live.each(mutants)(
    "%s",
    ([, parts, invariant]) =>
      Effect.map(findSeed(parts, invariant), (seed) =>
        assert.isDefined(seed, `no seed up to ${seeds} breaks "${invariant}"`)
      ),
    { timeout: 600_000 }
  )
})
