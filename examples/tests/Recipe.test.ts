import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider, TestSandboxService } from "@bulkhead/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"

const { failingFirst, outOfMemory, sleeper, stubborn } = MockSandboxProvider

const execute = Effect.flatMap(SandboxService, ({ execute }) =>
  execute({ code: "print('Hello, World!')", userId: "ann" })
)

it.effect("a program that ends", () =>
  Effect.gen(function* () {
    assert.include(yield* execute, { verdict: "Completed", stdout: "Hello, World!\n", exitCode: 0 })
  }).pipe(Effect.provide(TestSandboxService.layer()))
)

it.effect("a timeout, five minutes of virtual time later", () =>
  Effect.gen(function* () {
    const running = yield* Effect.fork(execute)
    yield* TestClock.adjust("5 minutes")
    assert.include(yield* Fiber.join(running), { verdict: "TimeLimitExceeded", signal: "SIGTERM" })
  }).pipe(Effect.provide(TestSandboxService.layer({ program: sleeper })))
)

it.effect("a timeout, the grace period, and SIGKILL", () =>
  Effect.gen(function* () {
    const running = yield* Effect.fork(execute)
    yield* TestClock.adjust("12 seconds")
    const { receipt } = yield* Fiber.join(running)
    assert.deepStrictEqual(receipt?.signals, [
      { signal: "SIGTERM", atMs: 5000 },
      { signal: "SIGKILL", atMs: 12_000 }
    ])
  }).pipe(
    Effect.provide(
      TestSandboxService.layer({ program: stubborn, limits: { defaultTimeout: 5, killGracePeriod: 7 } })
    )
  )
)

it.effect("two refusals for the rate, and a third try", () =>
  Effect.gen(function* () {
    const running = yield* Effect.fork(execute)
    yield* TestClock.adjust("10 seconds")
    const { metrics, verdict } = yield* Fiber.join(running)
    assert.deepStrictEqual([verdict, metrics.retries], ["Completed", 2])
  }).pipe(Effect.provide(TestSandboxService.layer({ create: failingFirst(2, "RATE_LIMIT") })))
)

it.effect("a kill", () =>
  Effect.gen(function* () {
    const { killExecution, listExecutions } = yield* SandboxService
    const running = yield* Effect.fork(execute)
    yield* TestClock.adjust(0)
    const { items } = yield* listExecutions({ state: "running" })
    yield* Effect.forEach(items, ({ executionId }) => killExecution(executionId))
    const { receipt, verdict } = yield* Fiber.join(running)
    assert.deepStrictEqual([verdict, receipt?.survivors], ["Killed", 0])
  }).pipe(Effect.provide(TestSandboxService.layer({ program: sleeper })))
)

it.effect("an end for want of memory", () =>
  Effect.gen(function* () {
    const { error, metrics, verdict } = yield* execute
    assert.deepStrictEqual([verdict, error?.code], ["MemoryLimitExceeded", "MEMORY_LIMIT_EXCEEDED"])
    assert.strictEqual(metrics.peakMemoryMB, 2048)
  }).pipe(Effect.provide(TestSandboxService.layer({ program: outOfMemory })))
)

it.effect("every sandbox is gone afterwards", () =>
  Effect.gen(function* () {
    yield* Effect.all([execute, execute, execute], { concurrency: 3 })
    const { alive, created } = yield* MockSandboxProvider.MockSandboxes
    assert.deepStrictEqual([(yield* created).length, yield* alive], [3, 0])
  }).pipe(Effect.provide(TestSandboxService.layer()))
)
