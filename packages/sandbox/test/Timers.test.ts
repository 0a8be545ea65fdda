import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  Supervisor as FiberSupervisor,
  Ref,
  Scope,
  TestClock
} from "effect"
import * as Timers from "../src/Timers.js"
import { settle } from "./Fixture.js"

const millis = (least: number, most: number) => FastCheck.integer({ min: least, max: most })

describe("a timer", () => {
  it.scoped.prop(
    "rings once, in time, whatever was set or cancelled before and after it",
    [
      FastCheck.array(FastCheck.tuple(millis(0, 300), millis(0, 500), FastCheck.boolean()), { maxLength: 12 })
    ],
    ([plan]) =>
      Effect.gen(function* () {
        const timers = yield* Timers.make
        const rung: Array<readonly [number, number]> = []
        const clock = yield* Effect.clock
        const begin = yield* Clock.currentTimeMillis
        const now = () => clock.unsafeCurrentTimeMillis() - begin
        const cancels: Array<() => void> = []
        let at = 0
        const expected: Array<readonly [number, number]> = []
        for (const [index, [wait, delay, isCancelled]] of plan.entries()) {
          yield* TestClock.adjust(wait)
          at += wait
          cancels.push(timers.after(Duration.millis(delay), () => rung.push([index, now()])))
          if (isCancelled) cancels[index]?.()
          else expected.push([index, at + delay])
        }
        yield* TestClock.adjust(501)
        const inTime = (all: typeof rung) => all.toSorted((a, b) => a[1] - b[1] || a[0] - b[0])
        assert.deepStrictEqual(inTime(rung), inTime(expected))
      }),
    { fastCheck: { numRuns: 40 } }
  )

  it.scoped("rings although the one before it failed, and those that are set when it rings do too", () =>
    Effect.gen(function* () {
      const { after } = yield* Timers.make
      const rung: Array<string> = []
      after(Duration.millis(10), () => {
        throw new Error("a mistake")
      })
      after(Duration.millis(10), () => {
        rung.push("second")
        after(Duration.millis(5), () => rung.push("third"))
      })
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, ["second"])
      yield* TestClock.adjust(5)
      assert.deepStrictEqual(rung, ["second", "third"])
    })
  )

  it.scoped("does not ring when another that rings at the same time cancels it", () =>
    Effect.gen(function* () {
      const { after } = yield* Timers.make
      const rung: Array<string> = []
      let cancel = () => {}
      after(Duration.millis(10), () => {
        rung.push("first")
        cancel()
      })
      cancel = after(Duration.millis(10), () => rung.push("second"))
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, ["first"])
    })
  )

  it.scoped("rings although its scope has ended, also when it is set only then", () =>
    Effect.gen(function* () {
      const rung: Array<string> = []
      const scope = yield* Scope.make()
      const { after } = yield* Scope.extend(Timers.make, scope)
      const cancel = after(Duration.millis(10), () => rung.push("cancelled"))
      after(Duration.millis(20), () => rung.push("before"))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      cancel()
      yield* TestClock.adjust(20)
      after(Duration.millis(5), () => rung.push("after"))()
      after(Duration.millis(5), () => rung.push("later"))
      yield* TestClock.adjust(5)
      assert.deepStrictEqual(rung, ["before", "later"])
    })
  )

  it.scoped("leaves no fiber behind when its scope has ended and nothing is set any more", () =>
    Effect.gen(function* () {
      const fibers = yield* FiberSupervisor.track
      const live = Effect.map(fibers.value, (all) => all.length)
      const scope = yield* Scope.make()
      const { after } = yield* Effect.supervised(Scope.extend(Timers.make, scope), fibers)
      const cancel = after(Duration.hours(1), () => {})
      yield* settle
      assert.isAbove(yield* live, 0)
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.isAbove(yield* live, 0)
      cancel()
      yield* settle
      assert.strictEqual(yield* live, 0)
    })
  )
})

describe("succeedsWithin", () => {
  const second = Duration.seconds(1)

  it.scoped("tells success from failure and defect", () =>
    Effect.gen(function* () {
      const { succeedsWithin } = yield* Timers.make
      assert.isTrue(yield* succeedsWithin(Effect.void, second))
      assert.isFalse(yield* succeedsWithin(Effect.fail("no"), second))
      assert.isFalse(yield* succeedsWithin(Effect.die("no"), second))
    })
  )

  it.scoped("waits as long as it is told to, then interrupts, and does not wait for that", () =>
    Effect.gen(function* () {
      const { succeedsWithin } = yield* Timers.make
      const interrupted = yield* Ref.make(false)
      const stubborn = Effect.onInterrupt(Effect.never, () =>
        Effect.zipRight(Ref.set(interrupted, true), Effect.never)
      )
      const trying = yield* Effect.fork(succeedsWithin(stubborn, second))
      yield* TestClock.adjust("999 millis")
      assert.isNull(trying.unsafePoll())
      yield* TestClock.adjust("1 millis")
      assert.isFalse(yield* Fiber.join(trying))
      yield* settle
      assert.isTrue(yield* Ref.get(interrupted))
    })
  )

  it.scoped("lets whoever waits be interrupted at once, and still ends what it waits for in time", () =>
    Effect.gen(function* () {
      const { succeedsWithin } = yield* Timers.make
      const ended = yield* Deferred.make<void>()
      const waiting = yield* Effect.fork(
        succeedsWithin(Effect.ensuring(Effect.never, Deferred.succeed(ended, undefined)), second)
      )
      yield* settle
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(waiting)))
      yield* TestClock.adjust(second)
      yield* Deferred.await(ended)
    })
  )
})
