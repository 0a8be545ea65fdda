import { Simulation, SimulationShrink } from "@bulkhead/testing"
import { assert } from "@effect/vitest"
import { Effect } from "effect"

/** Fails with the shortest history that breaks an invariant at the first of these seeds that does. Gives what was met. */
export const playSeeds = Effect.fnUntraced(function* (first: number, count: number) {
  const events = new Set<string>()
  const faults = new Set<string>()
  for (let seed = first; seed < first + count; seed++) {
    // Vitest gives up a worker that it does not hear from; a pause lets it speak.
    yield* Effect.sleep("0 millis")
    const outcome = Simulation.simulate(seed)
    if (outcome.violation) assert.fail(Simulation.report(SimulationShrink.shrink(outcome)))
    for (const event of outcome.events) events.add(event)
    for (const { fault } of outcome.faults) faults.add(fault._tag)
  }
  return { events, faults }
})
