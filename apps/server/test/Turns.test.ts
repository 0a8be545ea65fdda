import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Ref, Schedule } from "effect"
import * as Turns from "../src/Turns.js"

/** How often the event loop turned while a fiber was busy for so many rounds. */
const turnsWithin = (rounds: number) =>
  Effect.gen(function* () {
    const turns = yield* Ref.make(0)
    const turning = yield* Effect.async<void>((resume) => {
      setImmediate(() => resume(Effect.void))
    }).pipe(Effect.zipRight(Ref.update(turns, (turned) => turned + 1)), Effect.forever, Effect.fork)
    yield* Effect.yieldNow().pipe(Effect.repeat(Schedule.recurs(rounds)))
    yield* Fiber.interrupt(turning)
    return yield* Ref.get(turns)
  })

describe("Turns", () => {
  it.live("come to others while a fiber always has work", () =>
    Effect.gen(function* () {
      assert.isAtLeast(yield* Turns.take(turnsWithin(400)), 50)
    })
  )
})
