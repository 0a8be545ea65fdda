import { Duration, Effect } from "effect"
import * as Comparison from "./Comparison.js"
import * as Interleave from "./Interleave.js"
import * as MockService from "./MockService.js"
import type { Options } from "./Options.js"
import * as ProviderRow from "./ProviderRow.js"
import * as ServiceRow from "./ServiceRow.js"

/** Compares the whole service with its provider called directly, so many at once, without latency anywhere. */
export const measure = (permits: number, options: Options) =>
  Effect.gen(function* () {
    yield* MockService.ready
    const rows = yield* Effect.all([ProviderRow.make, ServiceRow.make])
    yield* Interleave.warmUp(rows, permits, Duration.millis(options.ownWarmUpMs))
    const duration = Duration.millis(options.blockMs)
    const samples = yield* Interleave.run(rows, [permits], options.rounds, duration)
    return Comparison.compare(samples, "provider directly")
  }).pipe(
    Effect.provide(
      MockService.layer({ maxConcurrentSandboxes: permits, maxSandboxesPerUser: permits }, undefined, {
        // Or what is measured would be a heap that grows with every execution.
        remembered: 0
      })
    )
  )
