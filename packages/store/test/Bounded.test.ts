import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, TestClock } from "effect"
import * as Bounded from "../src/Bounded.js"

const bounded = Bounded.make("30 seconds", () => "too late")

describe("Bounded", () => {
  it.scoped("gives what comes of a thing that takes shorter", () =>
    Effect.gen(function* () {
      const run = yield* bounded
      assert.strictEqual(yield* run(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(run(Effect.fail("wrong"))), "wrong")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(run(Effect.die("defect")))))
    })
  )

  it.scoped("fails what takes longer, and stops it", () =>
    Effect.gen(function* () {
      const run = yield* bounded
      const stopped = yield* Deferred.make<void>()
      const hangs = Effect.onInterrupt(Effect.never, () => Deferred.succeed(stopped, undefined))
      const fiber = yield* Effect.fork(run(hangs))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Effect.flip(Fiber.join(fiber)), "too late")
      yield* Deferred.await(stopped)
    })
  )

  it.scoped("fails also what cannot be stopped, or does not end when it is", () =>
    Effect.gen(function* () {
      const run = yield* bounded
      const fiber = yield* Effect.fork(run(Effect.uninterruptible(Effect.never)))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* Effect.flip(Fiber.join(fiber)), "too late")
      const interrupted = yield* Effect.fork(run(Effect.uninterruptible(Effect.never)))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(interrupted)
    })
  )

  it.scoped("gives each its own time", () =>
    Effect.gen(function* () {
      const run = yield* bounded
      for (let index = 0; index < 3; index++) {
        const fiber = yield* Effect.fork(run(Effect.as(Effect.sleep("20 seconds"), index)))
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), index)
      }
      const late = yield* Effect.fork(run(Effect.never))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual((yield* Fiber.poll(late))._tag, "None")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Effect.flip(Fiber.join(late)), "too late")
    })
  )
})
