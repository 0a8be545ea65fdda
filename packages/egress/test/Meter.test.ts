import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Option, TestClock } from "effect"
import { withChangedClock } from "../../sandbox/test/ChangedClock.js"
import * as Meter from "../src/Meter.js"

const limits = { maxConnections: 1, maxAttempts: 1, maxBytes: 1e6, bytesPerSecond: 1000 }

it.effect("holds bytes back as long as their rate says, also when somebody sets the clock", () =>
  Effect.gen(function* () {
    let timeOfDay = 86_400_000
    const onSetClock = withChangedClock(() => ({ currentTimeMillis: Effect.sync(() => timeOfDay) }))
    const meter = yield* Meter.make(limits)
    const take = (bytes: number) => onSetClock(meter.take("sent", bytes))
    yield* take(1000)
    timeOfDay = 0
    const held = yield* Effect.fork(take(1000))
    yield* TestClock.adjust("999 millis")
    assert.isTrue(Option.isNone(yield* Fiber.poll(held)))
    yield* TestClock.adjust("1 millis")
    yield* Fiber.join(held)
  })
)
