import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { play } from "./History.js"
import * as Mutants from "./Mutants.js"
import type { Mutation } from "./World.js"

/** Histories of the suite; `CLUSTER_SEEDS` for more. */
const seeds = Number(process.env.CLUSTER_SEEDS ?? 20)

/** Vitest gives up a worker that it does not hear from; a pause lets it speak. */
const speak = Effect.sleep("0 millis")

const findSeed = Effect.fnUntraced(function* (mutation: Mutation, kind: string) {
  for (let seed = 1; seed <= 100; seed++) {
    yield* speak
    if (play(seed, mutation).violations.some((violation) => violation.startsWith(kind))) return seed
  }
  return undefined
})

const mutants: ReadonlyArray<readonly [string, Mutation, string]> = [
  ["leaving is not told", Mutants.leavingUnsaid, "lost"],
  ["what waits is told in the wrong order", Mutants.orderLost, "turn"]
]

describe("admission over many replicas", { timeout: 600_000 }, () => {
  it.live(`holds its caps and turns and loses no place in ${seeds} histories`, () =>
    Effect.gen(function* () {
      let begun = 0
      for (let seed = 1; seed <= seeds; seed++) {
        yield* speak
        const outcome = play(seed)
        begun += outcome.begun
        assert.deepStrictEqual(outcome.violations, [], `seed ${seed}`)
      }
      assert.isAbove(begun, 5 * seeds)
    })
  )

  it.live.each(mutants)("would not when %s", ([, mutation, kind]) =>
    Effect.map(findSeed(mutation, kind), (seed) => assert.isDefined(seed, `no seed breaks "${kind}"`))
  )
})
