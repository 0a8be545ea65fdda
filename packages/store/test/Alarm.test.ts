import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import * as Alarm from "../src/Alarm.js"

const fixture = Effect.gen(function* () {
  let rung = 0
  const alarm = yield* Alarm.make("1 second", () => {
    rung++
  })
  const after = (millis: number) => Effect.map(TestClock.adjust(millis), () => rung)
  return { ...alarm, after }
})

describe("Alarm", () => {
  it.scoped("rings once, so long after it was set", () =>
    Effect.gen(function* () {
      const { after, set } = yield* fixture
      assert.strictEqual(yield* after(5000), 0)
      set()
      assert.strictEqual(yield* after(999), 0)
      assert.strictEqual(yield* after(1), 1)
      assert.strictEqual(yield* after(60_000), 1)
      set()
      assert.strictEqual(yield* after(1000), 2)
    })
  )

  it.scoped("counts from when it was last set", () =>
    Effect.gen(function* () {
      const { after, set } = yield* fixture
      set()
      yield* after(600)
      set()
      assert.strictEqual(yield* after(999), 0)
      assert.strictEqual(yield* after(1), 1)
    })
  )

  it.scoped("does not ring when it was cleared, until it is set again", () =>
    Effect.gen(function* () {
      const { after, clear, set } = yield* fixture
      set()
      yield* after(600)
      clear()
      assert.strictEqual(yield* after(60_000), 0)
      set()
      yield* after(100)
      clear()
      yield* after(100)
      set()
      assert.strictEqual(yield* after(999), 0)
      assert.strictEqual(yield* after(1), 1)
    })
  )
})
