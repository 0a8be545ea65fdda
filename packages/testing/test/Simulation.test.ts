import { EventName } from "@bulkhead/domain"
import { Simulation, SimulationShrink } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Iterable, Option } from "effect"
import * as Mutants from "./Mutants.js"
import { seeds } from "./Seeds.js"

/** Fails with the shortest history that breaks an invariant at the first of these seeds that does. Gives what was met. */
const playSeeds = Effect.fnUntraced(function* (first: number, count: number) {
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

describe("the simulation", () => {
  it.live(
    "holds every invariant and meets every event and every kind of fault",
    () =>
      Effect.gen(function* () {
        const { events, faults } = yield* playSeeds(1, seeds)
        assert.deepStrictEqual(
          EventName.literals.filter((event) => !events.has(event)),
          []
        )
        assert.deepStrictEqual([...faults].sort(), ["AnswerLost", "Ends", "Hangs", "Late", "Mute", "Refused"])
      }),
    { timeout: 600_000 }
  )

  it("plays a seed the same way every time", () => {
    for (const seed of [3, 38, 76]) {
      assert.deepStrictEqual(Simulation.simulate(seed).trace, Simulation.simulate(seed).trace)
    }
  })

  it("finds a short history that still fails, and tells how to replay it", () => {
    const parts = Mutants.endNotWritten
    const seed = 1
    const played = Iterable.makeBy((at) => Simulation.simulate(seed + at, parts), { length: 200 })
    const first = Iterable.findFirst(played, ({ violation }) => violation?.invariant === "one terminal event")
    const failed = Option.getOrThrow(first)
    const shortest = SimulationShrink.shrink(failed, parts)
    assert.strictEqual(shortest.violation?.invariant, "one terminal event")
    assert.isAtMost(shortest.history.steps.length, 3)
    assert.isEmpty(shortest.faults)
    const report = Simulation.report(shortest)
    assert.include(report, `npm run simulate -- --first-seed ${failed.history.seed} --seeds 1`)
    assert.include(report, "submits")
  })
})
