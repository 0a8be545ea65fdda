import { Simulation } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Mutants from "./Mutants.js"

const seeds = 2000

/** The first seed at which a service with these parts breaks this invariant. */
const findSeed = (parts: Simulation.Parts, invariant: Simulation.Invariant) => {
  for (let seed = 1; seed <= seeds; seed++) {
    if (Simulation.simulate(seed, parts).violation?.invariant === invariant) return seed
  }
  return undefined
}

const mutants: ReadonlyArray<readonly [string, Simulation.Parts, Simulation.Invariant]> = [
  ["a permit is released twice", Mutants.permitReleasedTwice, "caps"],
  ["a finalizer is skipped", Mutants.finalizerSkipped, "nothing left"],
  ["the reaper is dropped", Mutants.reaperDropped, "nothing left"],
  ["the last in is the first out", Mutants.lastComeFirstServed, "first come, first served"],
  ["one user goes before all others", Mutants.noisyUserFirst, "turns"],
  ["a free place is not given to those who wait", Mutants.placesForgotten, "idle place"],
  ["an end is written twice", Mutants.endWrittenTwice, "one terminal event"],
  ["an end is not written", Mutants.endNotWritten, "one terminal event"],
  ["a kill is lost", Mutants.killLost, "deadlines"],
  ["code runs again without leave", Mutants.runAgainWithoutLeave, "runs once"],
  ["a sandbox is said to be gone and is not", Mutants.destroyClaimed, "truth"],
  ["a fiber is left behind", Mutants.fiberLeaked, "nothing left"]
]

describe("the simulation finds out when", () => {
  it.each(mutants)("%s", (_, parts, invariant) => {
    assert.isDefined(findSeed(parts, invariant), `no seed up to ${seeds} breaks "${invariant}"`)
  })
})
