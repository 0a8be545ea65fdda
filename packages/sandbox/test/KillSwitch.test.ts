import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, FiberId } from "effect"
import { KilledEarly, KillSwitch, unlessKilled } from "../src/Execution/KillSwitch.js"
import { settle } from "./Fixture.js"
import { yieldAt } from "./YieldAt.js"

const request = { reason: "user_request", graceful: true }

/** How many listeners are still told of a request. */
const listeners = (killSwitch: KillSwitch) =>
  (killSwitch as unknown as { listeners: ReadonlySet<unknown> }).listeners.size

describe("KillSwitch", () => {
  it("tells each listener once, now or later; only the first request counts", () => {
    const killSwitch = new KillSwitch()
    const heard: Array<string> = []
    killSwitch.listen(({ reason }) => heard.push(`before: ${reason}`))
    const stop = killSwitch.listen(() => heard.push("never"))
    stop()
    killSwitch.press(request)
    killSwitch.press({ reason: "second", graceful: false })
    killSwitch.listen(({ reason }) => heard.push(`after: ${reason}`))
    assert.deepStrictEqual(heard, ["before: user_request", "after: user_request"])
    assert.strictEqual(killSwitch.request, request)
    assert.strictEqual(listeners(killSwitch), 0)
  })

  it("a listener that stops while it is told silences no other", () => {
    const killSwitch = new KillSwitch()
    const heard: Array<string> = []
    const stop = killSwitch.listen(() => {
      heard.push("first")
      stop()
    })
    killSwitch.listen(() => heard.push("second"))
    killSwitch.press(request)
    assert.deepStrictEqual(heard, ["first", "second"])
  })
})

describe("unlessKilled", () => {
  it.effect("does not begin once the switch is pressed", () =>
    Effect.gen(function* () {
      const killSwitch = new KillSwitch()
      killSwitch.press(request)
      let ran = false
      const failure = yield* Effect.flip(
        unlessKilled(killSwitch)(
          Effect.sync(() => {
            ran = true
          })
        )
      )
      assert.deepStrictEqual(failure, new KilledEarly(request))
      assert.isFalse(ran)
    })
  )

  it.effect("fails when pressed meanwhile, and not before the effect's finalizers have run", () =>
    Effect.gen(function* () {
      const killSwitch = new KillSwitch()
      const cleaned = yield* Deferred.make<void>()
      const order: Array<string> = []
      const fiber = yield* Effect.never.pipe(
        Effect.ensuring(
          Effect.zipRight(
            Deferred.await(cleaned),
            Effect.sync(() => order.push("finalizer"))
          )
        ),
        unlessKilled(killSwitch),
        Effect.flip,
        Effect.tap(() => order.push("failure")),
        Effect.fork
      )
      yield* settle
      killSwitch.press(request)
      yield* settle
      assert.isNull(fiber.unsafePoll())
      yield* Deferred.succeed(cleaned, undefined)
      assert.deepStrictEqual(yield* Fiber.join(fiber), new KilledEarly(request))
      assert.deepStrictEqual(order, ["finalizer", "failure"])
    })
  )

  it.effect("keeps the effect's own end", () =>
    Effect.gen(function* () {
      const killSwitch = new KillSwitch()
      assert.strictEqual(yield* unlessKilled(killSwitch)(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(unlessKilled(killSwitch)(Effect.fail("own"))), "own")
      assert.deepStrictEqual(yield* Effect.exit(unlessKilled(killSwitch)(Effect.die("own"))), Exit.die("own"))
      assert.strictEqual(listeners(killSwitch), 0)
    })
  )

  it.effect("interrupted from outside, it interrupts the effect and waits for its finalizers", () =>
    Effect.gen(function* () {
      const killSwitch = new KillSwitch()
      const cleaned = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        unlessKilled(killSwitch)(Effect.ensuring(Effect.never, Deferred.await(cleaned)))
      )
      yield* settle
      assert.strictEqual(listeners(killSwitch), 1)
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* settle
      assert.isNull(interrupting.unsafePoll())
      yield* Deferred.succeed(cleaned, undefined)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
      assert.strictEqual(listeners(killSwitch), 0)
    })
  )

  it.effect("whenever it is pressed or interrupted: finalizers run, and no listener is left", () =>
    Effect.forEach(
      Array.from({ length: 60 }, (_, index) => index + 1),
      (step) =>
        Effect.forEach([true, false], (press) =>
          Effect.gen(function* () {
            const killSwitch = new KillSwitch()
            let open = 0
            const use = Effect.acquireUseRelease(
              Effect.sync(() => open++),
              () => Effect.never,
              () => Effect.sync(() => open--)
            )
            const end = () => (press ? killSwitch.press(request) : fiber.unsafeInterruptAsFork(FiberId.none))
            const fiber: Fiber.RuntimeFiber<never, KilledEarly> = yield* unlessKilled(killSwitch)(use).pipe(
              Effect.withScheduler(yieldAt(step, end)),
              Effect.fork
            )
            yield* settle
            end()
            const exit = yield* Fiber.await(fiber)
            assert.strictEqual(Exit.isInterrupted(exit), !press)
            assert.isTrue(Exit.isFailure(exit))
            assert.strictEqual(open, 0)
            assert.strictEqual(listeners(killSwitch), 0)
          })
        )
    )
  )
})
