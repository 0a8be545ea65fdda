import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, TestClock } from "effect"
import * as ClosedLoop from "../src/ClosedLoop.js"

describe("ClosedLoop", () => {
  it.effect("runs until the time is up and waits for what has begun", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(ClosedLoop.run(Effect.sleep("30 millis"), 2, Duration.millis(100)))
      yield* TestClock.adjust("1 second")
      const block = yield* Fiber.join(fiber)
      assert.deepStrictEqual(block.latencies, Array(8).fill(30))
      assert.strictEqual(block.wallMs, 120)
    })
  )

  it.effect("fails when one execution does", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(ClosedLoop.run(Effect.fail("no"), 4, Duration.millis(100)))
      assert.strictEqual(failure, "no")
    })
  )
})
