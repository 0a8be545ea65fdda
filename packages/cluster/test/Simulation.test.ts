import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { playAll, seeds } from "./Histories.js"
import { encounters } from "./World.js"

describe("admission over many replicas", { timeout: 1_200_000 }, () => {
  it.live(`holds its caps and turns, loses no place and meets every fault in ${seeds} histories`, () =>
    Effect.gen(function* () {
      const { begun, met } = yield* playAll(1, seeds)
      assert.deepStrictEqual(
        encounters.filter((encounter) => !met.has(encounter)),
        []
      )
      assert.isAbove(begun, 4 * seeds)
    })
  )
})
