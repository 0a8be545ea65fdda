import type { ExecutionRequestInput, Gpus, LimitValues } from "@bulkhead/domain"
import { Prices, SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, TestClock } from "effect"
import { service, settle } from "./Fixture.js"

const { MockSandboxes, sleeper } = MockSandboxProvider

const gpus: ReadonlyArray<Gpus> = [
  { kind: "NVIDIA L4", count: 3 },
  { kind: "NVIDIA H100", count: 1 }
]

const withGpus = (
  limits: Partial<LimitValues> = {},
  behaviour: Partial<MockSandboxProvider.MockBehaviour> = {}
) => Effect.provide(service({ gpus, ...behaviour }, limits))

const execute = (gpu: ExecutionRequestInput["gpu"], userId = "ann") =>
  Effect.flatMap(SandboxService, (sandboxes) => sandboxes.execute({ code: "1", userId, gpu }))

const givenOf = Effect.map(
  Effect.flatMap(MockSandboxes, ({ created }) => created),
  (all) => all.map(({ options }) => options.gpus)
)

const refusalOf = (gpu: ExecutionRequestInput["gpu"]) =>
  Effect.map(Effect.flip(execute(gpu)), ({ _tag, message }) => [_tag, message])

describe("a request for GPUs", () => {
  it.effect("gets them of the kind that it names, else of the most frequent that has as many", () =>
    Effect.gen(function* () {
      for (const gpu of [{ count: 1 }, { count: 1, kind: "NVIDIA H100" }, undefined])
        assert.strictEqual((yield* execute(gpu)).verdict, "Completed")
      assert.deepStrictEqual(yield* givenOf, [
        { kind: "NVIDIA L4", count: 1 },
        { kind: "NVIDIA H100", count: 1 },
        undefined
      ])
      const { getLogs, listExecutions } = yield* SandboxService
      const { items } = yield* listExecutions()
      const started = yield* Effect.forEach(items, ({ executionId }) =>
        getLogs(executionId, { event: "execution_started" })
      )
      assert.lengthOf(
        started.flat().filter(({ data }) => data?.gpus !== undefined),
        2
      )
    }).pipe(withGpus())
  )

  it.effect("is refused before anything is asked for, where it could never be met", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusalOf({ count: 1, kind: "NVIDIA T4" }), [
        "PolicyRefused",
        "gpu.kind: expected one of NVIDIA L4, NVIDIA H100"
      ])
      assert.deepStrictEqual(yield* refusalOf({ count: 2, kind: "NVIDIA H100" }), [
        "PolicyRefused",
        "gpu.count: expected no more than there are: 1 NVIDIA H100"
      ])
      assert.deepStrictEqual(yield* refusalOf({ count: 4 }), [
        "PolicyRefused",
        "gpu.count: expected no more than there are: 3 NVIDIA L4 and 1 NVIDIA H100"
      ])
      assert.deepStrictEqual(yield* refusalOf({ count: 9 }), [
        "InvalidRequest",
        "gpu.count: expected at most 8 GPUs, got 9"
      ])
      assert.deepStrictEqual(yield* refusalOf({ count: 0 }), [
        "InvalidRequest",
        "gpu.count: expected a whole number of GPUs, 1 to 1024"
      ])
      assert.deepStrictEqual(yield* givenOf, [])
    }).pipe(withGpus())
  )

  it.effect("is refused where the sandboxes have none, as E2B's", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusalOf({ count: 1 }), [
        "PolicyRefused",
        "gpu: expected none, since the sandboxes here have no GPUs"
      ])
    }).pipe(Effect.provide(service()))
  )

  it.effect("waits while others have them, which its place and the metrics say", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const first = yield* Effect.fork(execute({ count: 2 }))
      yield* settle
      const second = yield* Effect.fork(execute({ count: 2 }, "bob"))
      yield* settle
      assert.deepInclude(yield* sandboxes.getSystemMetrics, {
        gpusInUse: 2,
        gpus,
        activeExecutions: 1,
        queuedExecutions: 1
      })
      const [waits] = (yield* sandboxes.listExecutions({ state: "queued" })).items
      assert.strictEqual(waits?.userId, "bob")
      for (const { executionId } of (yield* sandboxes.listExecutions({ state: "running" })).items)
        yield* sandboxes.killExecution(executionId)
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.join(first)
      assert.deepInclude(yield* sandboxes.getSystemMetrics, {
        gpusInUse: 2,
        activeExecutions: 1,
        queuedExecutions: 0
      })
      yield* TestClock.adjust("400 seconds")
      yield* Fiber.join(second)
      assert.deepInclude(yield* sandboxes.getSystemMetrics, { gpusInUse: 0, activeExecutions: 0 })
    }).pipe(withGpus({}, { program: sleeper }))
  )

  it.effect("never gets a sandbox from the pool, which has none", () =>
    Effect.gen(function* () {
      yield* settle
      yield* execute({ count: 1 })
      yield* execute(undefined)
      const all = yield* Effect.flatMap(MockSandboxes, ({ created }) => created)
      const used = all.filter(({ commands }) => commands.length > 0).map(({ options }) => options.gpus?.count)
      assert.sameMembers(used, [1, undefined])
      assert.deepInclude((yield* Effect.flatMap(SandboxService, (it) => it.getSystemMetrics)).pool, {
        hits: 1,
        misses: 0
      })
    }).pipe(withGpus({ poolMin: 2, poolMax: 2 }))
  )

  it.effect("is another request than the same without them, under one key", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      const request = { code: "1", userId: "ann", idempotencyKey: "k" }
      yield* execute({ ...request, gpu: { count: 1 } })
      assert.strictEqual((yield* Effect.flip(execute(request)))._tag, "IdempotencyConflict")
      assert.strictEqual(
        (yield* Effect.flip(execute({ ...request, gpu: { count: 2 } })))._tag,
        "IdempotencyConflict"
      )
    }).pipe(withGpus())
  )
})

describe("GPU seconds", () => {
  const prices = Layer.succeed(Prices, { vcpuSecond: 0, gibSecond: 0, gpuSecond: 0.001 })

  it.effect("are counted, priced, and held to the budget", () =>
    Effect.gen(function* () {
      const { getUsage } = yield* SandboxService
      const running = yield* Effect.fork(execute({ count: 3 }))
      yield* settle
      yield* TestClock.adjust("300 seconds")
      yield* Fiber.join(running)
      const [usage] = (yield* getUsage()).items
      assert.deepInclude(usage, { sandboxMs: 300_000, gpuSeconds: 900 })
      assert.closeTo(usage?.costUsd ?? 0, 0.9, 1e-9)
      assert.deepStrictEqual(yield* refusalOf({ count: 1 }), [
        "QuotaExceeded",
        "User quota exceeded: $0.90 of $0.50 used in 30 days"
      ])
    }).pipe(
      Effect.provide(Layer.provideMerge(service({ gpus, program: sleeper }, { userBudgetUsd: 0.5 }), prices))
    )
  )
})
