import { Effect } from "effect"
import type { BenchFailure } from "./BenchFailure.js"
import * as ClosedLoop from "./ClosedLoop.js"
import * as ProcessFacts from "./ProcessFacts.js"
import type { Row } from "./Row.js"

/** Each in a fiber of its own, as a server runs its requests. */
const inFiber = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.flatMap(Effect.forkDaemon(effect), (fiber) =>
    Effect.async<A, E>((resume) => fiber.addObserver(resume))
  )

/** A row that runs in this very process. */
export const make = (name: string, how: string, once: Effect.Effect<unknown, BenchFailure>): Row => ({
  name,
  how,
  run: Effect.fnUntraced(function* (concurrency, duration) {
    const before = yield* ProcessFacts.ownCpuMs
    const block = yield* ClosedLoop.run(inFiber(once), concurrency, duration)
    return { ...block, cpuMs: (yield* ProcessFacts.ownCpuMs) - before }
  })
})
