import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { asReadFailure } from "../src/Database/Failures.js"

describe("what is only read", () => {
  it.effect("is given up in time, also where nothing can be interrupted", () =>
    Effect.gen(function* () {
      const reading = yield* Effect.never.pipe(
        asReadFailure("The events could not be read"),
        Effect.uninterruptible,
        Effect.flip,
        Effect.fork
      )
      yield* TestClock.adjust("15 seconds")
      const { reason } = yield* Fiber.join(reading)
      assert.strictEqual(reason, "the database does not answer")
    })
  )
})
