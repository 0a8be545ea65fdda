import { assert, describe, it } from "@effect/vitest"
import { Chunk, Clock, Duration, Effect, Exit, FastCheck, Fiber, Random, Schedule, TestClock } from "effect"
import * as Retries from "../src/Execution/Retries.js"
import { defaultLimits } from "../src/Limits.js"
import { SandboxFailure } from "../src/Sandboxes/SandboxProvider.js"

const failure = (overrides: Partial<ConstructorParameters<typeof SandboxFailure>[0]> = {}) =>
  new SandboxFailure({
    code: "ECONNREFUSED",
    phase: "create",
    message: "down",
    retryable: true,
    ...overrides
  })

const never = Number.MAX_SAFE_INTEGER

/** The delays of a schedule that is asked with the same failure until it is done. */
const delaysOf = (limits: Parameters<typeof Retries.schedule>[0], deadline: number, retryAfter?: number) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const inputs = Array.from({ length: 40 }, () => failure(retryAfter === undefined ? {} : { retryAfter }))
    const delays = yield* Schedule.run(Retries.schedule(limits, deadline), now, inputs)
    return Chunk.toArray(delays).map((delay) => Duration.toMillis(delay))
  })

describe("the schedule of retries", () => {
  it.effect.prop(
    "doubles with a jitter of a fifth, in whole milliseconds, as often as the limits allow",
    [FastCheck.integer({ min: 1, max: 5000 }), FastCheck.integer({ min: 0, max: 8 }), FastCheck.string()],
    ([retryBackoffMs, maxRetries, seed]) =>
      Effect.gen(function* () {
        const delays = yield* delaysOf({ ...defaultLimits, retryBackoffMs, maxRetries }, never)
        assert.strictEqual(delays.length, maxRetries + 1)
        assert.strictEqual(delays.at(-1), 0)
        for (const [index, delay] of delays.slice(0, -1).entries()) {
          const base = retryBackoffMs * 2 ** index
          assert.isTrue(Number.isInteger(delay))
          assert.isAtLeast(delay, 0.8 * base)
          assert.isBelow(delay, 1.2 * base + 1)
        }
      }).pipe(Effect.withRandom(Random.make(seed))),
    { fastCheck: { numRuns: 40 } }
  )

  it.effect("is never sooner than the provider asked", () =>
    Effect.gen(function* () {
      const delays = yield* delaysOf({ ...defaultLimits, retryBackoffMs: 1, maxRetries: 3 }, never, 7)
      assert.deepStrictEqual(delays, [7000, 7000, 7000, 0])
      const own = yield* delaysOf({ ...defaultLimits, retryBackoffMs: 60_000, maxRetries: 1 }, never, 7)
      assert.isAtLeast(own[0] ?? 0, 48_000)
    })
  )

  it.effect("ends when the next try would not come before the deadline", () =>
    Effect.gen(function* () {
      const limits = { ...defaultLimits, retryBackoffMs: 1 }
      assert.strictEqual((yield* delaysOf(limits, 7000, 7)).length, 1)
      assert.strictEqual((yield* delaysOf(limits, 7001, 7)).length, 4)
    })
  )

  it.effect.prop(
    "never lets a try begin past the deadline",
    [FastCheck.integer({ min: 1, max: 2000 }), FastCheck.integer({ min: 0, max: 6000 })],
    ([retryBackoffMs, deadline]) =>
      Effect.gen(function* () {
        const driver = yield* Schedule.driver(
          Retries.schedule({ ...defaultLimits, retryBackoffMs }, deadline)
        )
        const begun: Array<number> = []
        const trying = yield* driver.next(failure()).pipe(
          Effect.zipRight(Clock.currentTimeMillis),
          Effect.tap((now) => begun.push(now)),
          Effect.forever,
          Effect.fork
        )
        for (let step = 0; step < 32; step++) yield* TestClock.adjust("250 millis")
        assert.isTrue(Exit.isFailure(yield* Fiber.await(trying)))
        assert.isAtMost(begun.length, defaultLimits.maxRetries)
        // The clock stands at the end of the step in which a try began.
        for (const at of begun) assert.isBelow(at - 250, deadline)
      }),
    { fastCheck: { numRuns: 15 } }
  )
})

describe("a failure is retried", () => {
  it("unless it will not get better, or code may run twice without leave", () => {
    const lost = failure({ phase: "run", code: "ECONNRESET" })
    const lostStart = failure({ phase: "start", code: "ETIMEDOUT" })
    assert.isTrue(Retries.isRetryable(failure(), false))
    assert.isFalse(Retries.isRetryable(failure({ retryable: false }), true))
    for (const { failure, leave, again } of [
      { failure: lost, leave: false, again: false },
      { failure: lost, leave: true, again: true },
      { failure: lostStart, leave: false, again: false },
      { failure: lostStart, leave: true, again: true }
    ]) {
      assert.strictEqual(Retries.isRetryable(failure, leave), again)
    }
  })
})
