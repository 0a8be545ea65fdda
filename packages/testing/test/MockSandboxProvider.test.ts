import { ArtifactStore } from "@bulkhead/artifacts"
import { Language } from "@bulkhead/domain"
import { GuestProgram, Limits, SandboxService, SandboxSupply, Toolchain } from "@bulkhead/sandbox"
import { MockArtifacts, MockSandboxProvider, MockToolchain, TestSandboxService } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, TestClock } from "effect"

const { hello, MockSandboxes, outOfMemory, printing, sleeper, stubborn } = MockSandboxProvider

const serviceOnMock = (behaviour: Partial<MockSandboxProvider.MockBehaviour> = {}) =>
  Layer.provideMerge(SandboxService.layer(), MockSandboxProvider.layer(behaviour))

const execute = Effect.flatMap(SandboxService, ({ execute }) => execute({ code: "1", userId: "ann" }))

describe("mock sandboxes, as they are", () => {
  it.effect("run all four languages under the service as it is, supervised", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      for (const language of Language.literals) {
        const result = yield* execute({ code: "1", language, userId: "ann" })
        assert.include(result, { verdict: "Completed", stdout: "Hello, World!\n" })
        assert.include(result.receipt?.enforcement, { wallTime: "supervisor" })
      }
    }).pipe(Effect.provide(serviceOnMock()))
  )

  it.effect("have the toolchain that tests are told of", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* (yield* Toolchain).facts, MockToolchain.facts)
    }).pipe(
      Effect.provide(
        Toolchain.layer.pipe(
          Layer.provide(SandboxSupply.layer),
          Layer.provide(Limits.layer()),
          Layer.provide(MockSandboxProvider.layer())
        )
      )
    )
  )

  it.effect("answer the look in their own way, whatever their programs do", () =>
    Effect.gen(function* () {
      const running = yield* Effect.fork(execute)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* Fiber.join(running)).verdict, "TimeLimitExceeded")
    }).pipe(Effect.provide(serviceOnMock({ program: sleeper })))
  )

  it.effect("count the creates that come before, the look's too", () =>
    Effect.gen(function* () {
      const { created } = yield* MockSandboxes
      yield* Effect.exit(execute)
      yield* Effect.exit(execute)
      assert.strictEqual((yield* created).length, 2)
    }).pipe(
      Effect.provide(
        serviceOnMock({
          create: (earlier) =>
            earlier < 2 ? Effect.void : MockSandboxProvider.failure("PERMISSION_DENIED", "create", false)
        })
      )
    )
  )
})

describe("the mock supervisor", () => {
  it.effect("tells how a program ended, when, and what it wrote", () =>
    Effect.gen(function* () {
      const running = yield* Effect.fork(execute)
      yield* TestClock.adjust("3 seconds")
      const { exitCode, metrics, output, verdict } = yield* Fiber.join(running)
      assert.deepStrictEqual([verdict, exitCode, metrics.executionTimeMs], ["NonZeroExit", 3, 3000])
      assert.deepStrictEqual(output, { stdoutBytes: 3, stderrBytes: 2, truncated: false })
    }).pipe(
      Effect.provide(
        TestSandboxService.layer({
          program: ({ stderr, stdout }) =>
            Effect.zipRight(stdout("€"), stderr("ab")).pipe(
              Effect.as({ exitCode: 3 }),
              Effect.delay("3 seconds")
            )
        })
      )
    )
  )

  it.effect("outlives the signals that end its program", () =>
    Effect.gen(function* () {
      const { killExecution, listExecutions } = yield* SandboxService
      const running = yield* Effect.fork(execute)
      yield* TestClock.adjust(0)
      const { items } = yield* listExecutions({ state: "running" })
      yield* Effect.forEach(items, ({ executionId }) => killExecution(executionId))
      yield* TestClock.adjust("10 seconds")
      const { metrics, receipt, signal, verdict } = yield* Fiber.join(running)
      assert.deepStrictEqual([verdict, signal], ["Killed", "SIGKILL"])
      assert.deepStrictEqual(
        receipt?.signals.map(({ signal }) => signal),
        ["SIGTERM", "SIGKILL"]
      )
      assert.strictEqual(metrics.peakMemoryMB, 9.1)
    }).pipe(Effect.provide(TestSandboxService.layer({ program: stubborn })))
  )
})

describe("the service for tests", () => {
  it.effect("keeps artifacts in memory", () =>
    Effect.gen(function* () {
      const { artifacts, executionId } = yield* execute
      assert.deepStrictEqual(
        artifacts.map(({ name }) => name),
        ["a.txt"]
      )
      assert.isTrue(Option.isSome(yield* (yield* ArtifactStore).open(executionId, "a.txt")))
    }).pipe(Effect.provide(TestSandboxService.layer(MockArtifacts.leaving({ "a.txt": "hello" }))))
  )

  it.effect("is steered while it runs", () =>
    Effect.gen(function* () {
      const { behave } = yield* MockSandboxes
      assert.strictEqual((yield* execute).verdict, "Completed")
      yield* behave({ program: printing("no\n", 1) })
      assert.include(yield* execute, { verdict: "NonZeroExit", stdout: "no\n" })
    }).pipe(Effect.provide(TestSandboxService.layer({ program: hello })))
  )

  it.effect("has no word of memory where nothing supervises", () =>
    Effect.gen(function* () {
      assert.include(yield* execute, { verdict: "Signalled", signal: "SIGKILL" })
    }).pipe(
      Effect.provide(
        TestSandboxService.layer({ program: outOfMemory, toolchain: { supervisor: GuestProgram.Absent() } })
      )
    )
  )
})
