import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { play } from "./History.js"
import type { Encounter, Mutation } from "./World.js"

/** How many histories are played, and in which every mutant must be found; `CLUSTER_SEEDS` for more. */
export const seeds = Number(process.env.CLUSTER_SEEDS ?? 400)

/** Vitest gives up a worker that it does not hear from; a pause lets it speak. */
const speak = Effect.sleep("0 millis")

/** Plays so many histories, in all of which everything must hold, and gives what they met. */
export const playAll = Effect.fnUntraced(function* (first: number, count: number) {
  const met = new Set<Encounter>()
  let begun = 0
  for (let seed = first; seed < first + count; seed++) {
    yield* speak
    const outcome = play(seed)
    assert.deepStrictEqual(outcome.violations, [], `seed ${seed}`)
    for (const encounter of outcome.met) met.add(encounter)
    begun += outcome.begun
  }
  return { begun, met }
})

/** The first seed at which a mutant does this kind of harm. */
export const findSeed = Effect.fnUntraced(function* (mutation: Mutation, kinds: ReadonlyArray<string>) {
  for (let seed = 1; seed <= seeds; seed++) {
    yield* speak
    const [violation] = play(seed, mutation).violations
    if (violation !== undefined && kinds.some((kind) => violation.startsWith(`${kind}:`))) return seed
  }
  return undefined
})
