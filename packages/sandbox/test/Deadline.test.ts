import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, FastCheck, Fiber, TestClock } from "effect"
import * as Deadline from "../src/Deadline.js"

const start = Duration.seconds(3)

const millis = (least: number, most: number) => FastCheck.integer({ min: least, max: most })

describe("a deadline", () => {
  it.effect.prop(
    "passes exactly when what started in time has run as long as it may, whenever it started",
    [millis(1, 2999), millis(50, 10_000)],
    ([after, longest]) =>
      Effect.gen(function* () {
        let startedAt: number | undefined
        const begunAt = yield* Clock.currentTimeMillis
        const late = yield* Effect.fork(
          Effect.zip(
            Deadline.passed({ start, run: Duration.millis(longest) }, () => startedAt),
            Clock.currentTimeMillis
          )
        )
        yield* TestClock.adjust(after)
        startedAt = begunAt + after
        yield* TestClock.adjust(longest - 1)
        assert.isNull(late.unsafePoll())
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* Fiber.join(late), ["end", begunAt + after + longest])
      }),
    { fastCheck: { numRuns: 20 } }
  )

  it.effect("passes soon after what may run for less than the time between looks", () =>
    Effect.gen(function* () {
      let startedAt: number | undefined
      const late = yield* Effect.fork(Deadline.passed({ start, run: Duration.millis(1) }, () => startedAt))
      yield* TestClock.adjust("2 seconds")
      startedAt = yield* Clock.currentTimeMillis
      yield* TestClock.adjust("51 millis")
      assert.strictEqual(yield* Fiber.join(late), "end")
    })
  )

  it.effect.prop(
    "passes exactly at the bound of the start for what does not start",
    [millis(1, 10_000)],
    ([longest]) =>
      Effect.gen(function* () {
        const late = yield* Effect.fork(
          Deadline.passed({ start, run: Duration.millis(longest) }, () => undefined)
        )
        yield* TestClock.adjust("2999 millis")
        assert.isNull(late.unsafePoll())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* Fiber.join(late), "start")
      }),
    { fastCheck: { numRuns: 20 } }
  )
})
