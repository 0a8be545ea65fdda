import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, FiberId, Ref, TestClock } from "effect"
import * as CircuitBreaker from "../src/Sandboxes/CircuitBreaker.js"
import { type ProviderHealth, SandboxFailure } from "../src/Sandboxes/SandboxProvider.js"
import { withChangedClock } from "./ChangedClock.js"
import { settle } from "./Fixture.js"
import { yieldAt } from "./YieldAt.js"

const failure = (code: SandboxFailure["code"] = "ECONNREFUSED") =>
  new SandboxFailure({ code, phase: "create", message: "mock", retryable: true })

const up: ProviderHealth = { state: "up", restarts: 0 }

const make = (health: Effect.Effect<ProviderHealth> = Effect.succeed(up)) =>
  CircuitBreaker.make({ breakerFailures: 3, breakerCooldown: 10 }, health)

/** A provider that answers when told to, and counts who asks. */
const makeProvider = Effect.gen(function* () {
  const answer = yield* Deferred.make<void, SandboxFailure>()
  let asked = 0
  const create = Effect.zipRight(
    Effect.sync(() => asked++),
    Deferred.await(answer)
  )
  return { create, answer, asked: () => asked }
})

const fail = (breaker: CircuitBreaker.CircuitBreaker, times: number, code?: SandboxFailure["code"]) =>
  Effect.repeatN(Effect.flip(breaker.guard(failure(code))), times - 1)

/** Whether the breaker answers in the provider's place. */
const isSpared = (breaker: CircuitBreaker.CircuitBreaker) =>
  Effect.gen(function* () {
    let asked = false
    yield* Effect.ignore(
      breaker.guard(
        Effect.suspend(() => {
          asked = true
          return failure("RATE_LIMIT")
        })
      )
    )
    return !asked
  })

/** Runs an effect after somebody has set the wall clock to this. Time goes on as before. */
const withWallClockAt = (millis: number) =>
  withChangedClock(() => ({
    currentTimeMillis: Effect.succeed(millis),
    unsafeCurrentTimeMillis: () => millis
  }))

const opened = Effect.tap(make(), (breaker) => fail(breaker, 3))

describe("CircuitBreaker", () => {
  it.effect("opens after so many failures in a row, fails at once, and says how long it will", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      yield* fail(breaker, 2)
      assert.strictEqual(yield* breaker.state, "closed")
      assert.isFalse(yield* isSpared(breaker))
      yield* fail(breaker, 1)
      assert.strictEqual(yield* breaker.state, "open")
      yield* TestClock.adjust("3500 millis")
      const spared = yield* Effect.flip(breaker.guard(Effect.die("asked")))
      assert.deepInclude(spared, { code: "SANDBOX_BUSY", phase: "create", retryable: false, retryAfter: 7 })
    })
  )

  it.effect("begins to count anew after a success", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      yield* fail(breaker, 2)
      assert.strictEqual(yield* breaker.guard(Effect.succeed("made")), "made")
      yield* fail(breaker, 2)
      assert.strictEqual(yield* breaker.state, "closed")
    })
  )

  for (const code of ["RATE_LIMIT", "PERMISSION_DENIED", "INTERNAL_ERROR"] as const) {
    it.effect(`${code} says nothing about an outage`, () =>
      Effect.gen(function* () {
        const breaker = yield* make()
        yield* fail(breaker, 10, code)
        assert.strictEqual(yield* breaker.state, "closed")
        yield* fail(breaker, 2)
        yield* fail(breaker, 1, code)
        yield* fail(breaker, 1)
        assert.strictEqual(yield* breaker.state, "open")
      })
    )
  }

  it.effect("a defect or an interrupt says nothing about an outage", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      for (let index = 0; index < 5; index++) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(breaker.guard(Effect.die("bug")))))
        yield* Fiber.interrupt(yield* Effect.fork(breaker.guard(Effect.never)))
      }
      assert.strictEqual(yield* breaker.state, "closed")
    })
  )

  it.effect("after the cooldown one alone may try; its success closes", () =>
    Effect.gen(function* () {
      const breaker = yield* opened
      yield* TestClock.adjust("9999 millis")
      assert.isTrue(yield* isSpared(breaker))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* breaker.state, "half-open")
      const provider = yield* makeProvider
      const tries = yield* Effect.replicateEffect(Effect.fork(breaker.guard(provider.create)), 5)
      yield* settle
      assert.strictEqual(provider.asked(), 1)
      yield* Deferred.succeed(provider.answer, undefined)
      const exits = yield* Effect.forEach(tries, Fiber.await)
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, false, false, false])
      assert.strictEqual(yield* breaker.state, "closed")
      assert.isFalse(yield* isSpared(breaker))
    })
  )

  for (const [where, millis] of [
    ["back", 0],
    ["forward", Number.MAX_SAFE_INTEGER]
  ] as const) {
    it.effect(`a wall clock that is set ${where} neither ends the cooldown nor draws it out`, () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 days")
        const breaker = yield* opened
        const asked = withWallClockAt(millis)
        yield* TestClock.adjust("9999 millis")
        assert.strictEqual(yield* asked(breaker.state), "open")
        assert.isTrue(yield* asked(isSpared(breaker)))
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* asked(breaker.state), "half-open")
        assert.isFalse(yield* asked(isSpared(breaker)))
      })
    )
  }

  it.effect("a try that fails opens it for another cooldown", () =>
    Effect.gen(function* () {
      const breaker = yield* opened
      yield* TestClock.adjust("10 seconds")
      yield* fail(breaker, 1)
      assert.strictEqual(yield* breaker.state, "open")
      yield* TestClock.adjust("9999 millis")
      assert.isTrue(yield* isSpared(breaker))
      yield* TestClock.adjust("1 millis")
      assert.isFalse(yield* isSpared(breaker))
    })
  )

  it.effect("a try that says nothing lets the next one try", () =>
    Effect.gen(function* () {
      const breaker = yield* opened
      yield* TestClock.adjust("10 seconds")
      yield* fail(breaker, 1, "RATE_LIMIT")
      assert.strictEqual(yield* breaker.state, "half-open")
      yield* breaker.guard(Effect.void)
      assert.strictEqual(yield* breaker.state, "closed")
    })
  )

  it.effect("the end of a call from before the outage lets no second one try", () =>
    Effect.gen(function* () {
      const breaker = yield* make()
      const early = yield* Effect.fork(breaker.guard(Effect.never))
      yield* settle
      yield* fail(breaker, 3)
      yield* TestClock.adjust("10 seconds")
      const attempt = yield* Effect.fork(breaker.guard(Effect.never))
      yield* settle
      yield* Fiber.interrupt(early)
      assert.isTrue(yield* isSpared(breaker))
      yield* Fiber.interrupt(attempt)
      assert.isFalse(yield* isSpared(breaker))
    })
  )

  it.effect("a try that is interrupted, at whatever step, lets the next one try", () =>
    Effect.gen(function* () {
      const interrupted: Array<number> = []
      for (let step = 1; step <= 60; step++) {
        const breaker = yield* opened
        yield* TestClock.adjust("10 seconds")
        const interrupt = () => {
          interrupted.push(step)
          fiber.unsafeInterruptAsFork(FiberId.none)
        }
        const fiber: Fiber.RuntimeFiber<never, SandboxFailure> = yield* breaker
          .guard(Effect.never)
          .pipe(Effect.withScheduler(yieldAt(step, interrupt)), Effect.fork)
        yield* settle
        yield* Fiber.interrupt(fiber)
        assert.isFalse(yield* isSpared(breaker), `interrupted at step ${step}`)
      }
      assert.isAbove(interrupted.length, 15)
      assert.notInclude(interrupted, 60, "a try has more steps than were tried")
    })
  )

  it.effect(
    "a provider that says it is down is left alone, and asked as soon as it says that it is back",
    () =>
      Effect.gen(function* () {
        const health = yield* Ref.make<ProviderHealth>({
          state: "down",
          reason: "the cellar is flooded",
          restarts: 1
        })
        const breaker = yield* make(Ref.get(health))
        const refused = yield* Effect.flip(breaker.guard(Effect.void))
        assert.deepInclude(refused, {
          code: "SANDBOX_BUSY",
          message: "the cellar is flooded",
          retryable: true
        })
        assert.isFalse(refused.mayHaveRun)
        assert.strictEqual(yield* breaker.state, "open")
        yield* Ref.set(health, { state: "recovering", reason: "it is pumped out", restarts: 1 })
        assert.isFalse(yield* isSpared(breaker))
        yield* Ref.set(health, up)
        assert.strictEqual(yield* breaker.state, "closed")
        yield* breaker.guard(Effect.void)
      })
  )

  it.effect("what failed before a provider said that it is down holds nobody up after it", () =>
    Effect.gen(function* () {
      const health = yield* Ref.make(up)
      const breaker = yield* make(Ref.get(health))
      yield* fail(breaker, 3)
      assert.isTrue(yield* isSpared(breaker))
      yield* Ref.set(health, { state: "down", reason: "the cellar is flooded", restarts: 1 })
      assert.isTrue(yield* isSpared(breaker))
      yield* Ref.set(health, up)
      assert.isFalse(yield* isSpared(breaker))
    })
  )
})
