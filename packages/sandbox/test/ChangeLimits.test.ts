import { AdmissionUnreachable } from "@bulkhead/domain"
import {
  Admission,
  GpuSupply,
  IdempotencyKeys,
  Limits,
  MemoryExecutionStore,
  SandboxService,
  SandboxSupply,
  Toolchain
} from "@bulkhead/sandbox"
import { MockSandboxProvider, MockToolchain } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, TestClock } from "effect"
import { begin, service, settle } from "./Fixture.js"

const { sleeper } = MockSandboxProvider

const active = Effect.flatMap(SandboxService, ({ getSystemMetrics }) =>
  Effect.map(getSystemMetrics, ({ activeExecutions }) => activeExecutions)
)

const noAnswer = new AdmissionUnreachable({ message: "no answer", retryAfter: 5 })

/** As where replicas are one, and none of them can be reached. */
const outOfReach = (adjust: Effect.Effect<void, AdmissionUnreachable>) =>
  SandboxService.layerBare.pipe(
    Layer.provide(
      Layer.effect(
        Admission,
        Effect.map(Admission, (admission) => ({ ...admission, adjust: () => adjust }))
      )
    ),
    Layer.provide(Layer.mergeAll(Admission.layer, SandboxSupply.layer)),
    Layer.provide(Layer.mergeAll(GpuSupply.layer, Toolchain.layerTest(MockToolchain.facts))),
    Layer.provide(
      Layer.mergeAll(Limits.layer({}), IdempotencyKeys.layerMemory(), MemoryExecutionStore.layer())
    ),
    Layer.provide(MockSandboxProvider.layer())
  )

describe("changing the limits of a running service", () => {
  it.effect("changes none where those who admit cannot be told", () =>
    Effect.gen(function* () {
      const { changeLimits, limits } = yield* SandboxService
      const before = yield* limits
      const refused = yield* Effect.flip(changeLimits({ maxTimeout: 400 }))
      assert.strictEqual(refused._tag, "AdmissionUnreachable")
      assert.deepStrictEqual(yield* limits, before)
    }).pipe(Effect.provide(outOfReach(Effect.fail(noAnswer))))
  )

  it.effect("changes none where who asked leaves before those who admit were told", () =>
    Effect.gen(function* () {
      const { changeLimits, limits } = yield* SandboxService
      const before = yield* limits
      const change = yield* Effect.fork(changeLimits({ maxTimeout: 400 }))
      yield* settle
      yield* Fiber.interrupt(change)
      assert.deepStrictEqual(yield* limits, before)
    }).pipe(Effect.provide(outOfReach(Effect.never)))
  )

  it.effect("lets those in who wait for a place that is there now", () =>
    Effect.gen(function* () {
      const { changeLimits } = yield* SandboxService
      const fibers = yield* Effect.forEach(["a", "b", "c"], (user) => begin("loop", user))
      assert.strictEqual(yield* active, 1)
      yield* changeLimits({ maxConcurrentSandboxes: 2 })
      yield* settle
      assert.strictEqual(yield* active, 2)
      yield* TestClock.adjust("700 seconds")
      yield* Fiber.join(Fiber.all(fibers))
    }).pipe(Effect.provide(service({ program: sleeper }, { maxConcurrentSandboxes: 1, maxQueueWait: 1000 })))
  )

  it.effect("leaves those in who are in, and lets nobody follow until there is room", () =>
    Effect.gen(function* () {
      const { changeLimits } = yield* SandboxService
      const first = yield* begin("loop", "a")
      const second = yield* begin("loop", "b")
      yield* changeLimits({ maxConcurrentSandboxes: 1 })
      const third = yield* begin("loop", "c")
      assert.strictEqual(yield* active, 2)
      yield* Fiber.interrupt(first)
      yield* settle
      assert.strictEqual(yield* active, 1)
      yield* Fiber.interrupt(second)
      yield* settle
      assert.strictEqual(yield* active, 1)
      yield* Fiber.interrupt(third)
    }).pipe(Effect.provide(service({ program: sleeper })))
  )

  it.effect("holds for requests from then on", () =>
    Effect.gen(function* () {
      const { changeLimits, execute, limits } = yield* SandboxService
      yield* changeLimits({ maxTimeout: 400, defaultTimeout: 7 })
      assert.deepInclude(yield* limits, { maxTimeout: 400, defaultTimeout: 7 })
      const refused = yield* Effect.flip(execute({ code: "loop", timeout: 500 }))
      assert.match(refused.message, /timeout: expected at most 400 seconds/)
      const running = yield* begin("loop")
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual((yield* Fiber.join(running)).verdict, "TimeLimitExceeded")
    }).pipe(Effect.provide(service({ program: sleeper })))
  )

  const refusals = {
    "a value out of range": [
      { maxRetries: -1 },
      "maxRetries: expected a whole number of retries, 0 to 1099511627776"
    ],
    "an unknown limit": [{ maxFun: 1 }, /^maxFun: /],
    "a value of another type": [{ maxQueued: "many" }, "maxQueued: expected a number, got a string"],
    "a limit of the sandboxes themselves": [
      { maxMemoryMB: 64 },
      "maxMemoryMB: is fixed when the service starts"
    ],
    "a contradiction": [
      { defaultTimeout: 901 },
      "defaultTimeout: expected at most maxTimeout (900), got '901'"
    ],
    "something else": [null, /^limits: /]
  } as const
  for (const [name, [changes, message]] of Object.entries(refusals)) {
    it.effect(`refuses ${name}, and changes nothing`, () =>
      Effect.gen(function* () {
        const { changeLimits, limits } = yield* SandboxService
        const before = yield* limits
        const refused = yield* Effect.flip(changeLimits(changes as never))
        if (typeof message === "string") assert.strictEqual(refused.message, message)
        else assert.match(refused.message, message)
        assert.deepStrictEqual(yield* limits, before)
      }).pipe(Effect.provide(service()))
    )
  }
})
