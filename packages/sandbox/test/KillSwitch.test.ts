import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import * as KillSwitch from "../src/Supervision/KillSwitch.js"
import { settle } from "./Fixture.js"
import { yieldAt } from "./YieldAt.js"

const { KilledEarly } = KillSwitch
const request = { reason: "user_request", graceful: true }

it.effect("only the first request counts, for whoever waits for it now or later", () =>
  Effect.gen(function* () {
    const killSwitch = yield* KillSwitch.make
    const waiting = yield* Effect.fork(killSwitch.pressed)
    yield* killSwitch.press(request)
    yield* killSwitch.press({ reason: "second", graceful: false })
    assert.deepStrictEqual(yield* Fiber.join(waiting), request)
    assert.deepStrictEqual(yield* killSwitch.pressed, request)
  })
)

describe("interruptible", () => {
  it.effect("does not begin once the switch is pressed", () =>
    Effect.gen(function* () {
      const killSwitch = yield* KillSwitch.make
      yield* killSwitch.press(request)
      let ran = false
      const run = Effect.sync(() => {
        ran = true
      })
      assert.deepStrictEqual(yield* Effect.flip(killSwitch.interruptible(run)), new KilledEarly(request))
      assert.isFalse(ran)
    })
  )

  it.effect("fails when pressed meanwhile, and not before the effect's finalizers have run", () =>
    Effect.gen(function* () {
      const killSwitch = yield* KillSwitch.make
      const cleaned = yield* Deferred.make<void>()
      const order: Array<string> = []
      const fiber = yield* Effect.never.pipe(
        Effect.ensuring(
          Effect.zipRight(
            Deferred.await(cleaned),
            Effect.sync(() => order.push("finalizer"))
          )
        ),
        killSwitch.interruptible,
        Effect.flip,
        Effect.tap(() => order.push("failure")),
        Effect.fork
      )
      yield* settle
      yield* killSwitch.press(request)
      yield* settle
      assert.isNull(fiber.unsafePoll())
      yield* Deferred.succeed(cleaned, undefined)
      assert.deepStrictEqual(yield* Fiber.join(fiber), new KilledEarly(request))
      assert.deepStrictEqual(order, ["finalizer", "failure"])
    })
  )

  it.effect("keeps the effect's own end", () =>
    Effect.gen(function* () {
      const { interruptible } = yield* KillSwitch.make
      assert.strictEqual(yield* interruptible(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(interruptible(Effect.fail("own"))), "own")
      assert.deepStrictEqual(yield* Effect.exit(interruptible(Effect.die("own"))), Exit.die("own"))
    })
  )

  it.effect("interrupted from outside, it interrupts the effect and waits for its finalizers", () =>
    Effect.gen(function* () {
      const killSwitch = yield* KillSwitch.make
      const cleaned = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        killSwitch.interruptible(Effect.ensuring(Effect.never, Deferred.await(cleaned)))
      )
      yield* settle
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* settle
      assert.isNull(interrupting.unsafePoll())
      yield* Deferred.succeed(cleaned, undefined)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
    })
  )

  it.effect("whenever it is pressed, finalizers run", () =>
    Effect.forEach(
      Array.from({ length: 60 }, (_, index) => index + 1),
      (step) =>
        Effect.gen(function* () {
          const killSwitch = yield* KillSwitch.make
          let open = 0
          const use = Effect.acquireUseRelease(
            Effect.sync(() => open++),
            () => Effect.never,
            () => Effect.sync(() => open--)
          )
          const press = () => Effect.runSync(killSwitch.press(request))
          const fiber = yield* killSwitch
            .interruptible(use)
            .pipe(Effect.withScheduler(yieldAt(step, press)), Effect.flip, Effect.fork)
          yield* settle
          press()
          assert.deepStrictEqual(yield* Fiber.join(fiber), new KilledEarly(request))
          assert.strictEqual(open, 0)
        })
    )
  )
})

describe("attended", () => {
  it.effect("a kill interrupts neither what is attended nor, once that has succeeded, what follows", () =>
    Effect.gen(function* () {
      const killSwitch = yield* KillSwitch.make
      const after = yield* Deferred.make<string>()
      const fiber = yield* killSwitch
        .attended(killSwitch.pressed)
        .pipe(Effect.zipRight(Deferred.await(after)), killSwitch.interruptible, Effect.fork)
      yield* settle
      yield* killSwitch.press(request)
      yield* settle
      assert.isNull(fiber.unsafePoll())
      yield* Deferred.succeed(after, "done")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
    })
  )

  it.effect("what failed is attended no longer: a kill that came meanwhile interrupts what follows", () =>
    Effect.gen(function* () {
      const killSwitch = yield* KillSwitch.make
      const lost = yield* Deferred.make<never, string>()
      const fiber = yield* killSwitch.attended(Deferred.await(lost)).pipe(
        Effect.catchAll(() => Effect.never),
        killSwitch.interruptible,
        Effect.flip,
        Effect.fork
      )
      yield* settle
      yield* killSwitch.press(request)
      yield* settle
      assert.isNull(fiber.unsafePoll())
      yield* Deferred.fail(lost, "lost")
      assert.deepStrictEqual(yield* Fiber.join(fiber), new KilledEarly(request))
    })
  )
})
