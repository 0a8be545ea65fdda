import { it } from "@effect/vitest"
import { playSeeds } from "./Seeds.js"

// In a file of its own, so that both halves run at the same time.
it.live("the simulation holds every invariant, the other half of the seeds", () => playSeeds(1001, 1000), {
  timeout: 600_000
})
