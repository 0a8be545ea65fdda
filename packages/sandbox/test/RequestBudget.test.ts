import { ExecutionId, ExecutionRequest, type ExecutionRequestInput, UserId } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, TestClock } from "effect"
import { weightOf } from "../src/Admission/RequestBudget.js"
import { service, settle } from "./Fixture.js"

const { sleeper } = MockSandboxProvider

/** A request of 600 KB that runs until it is ended. */
const large = (userId: string, idempotencyKey?: string) => ({
  code: "loop",
  userId,
  files: [{ path: "a", content: "x".repeat(600_000) }],
  ...(idempotencyKey === undefined ? {} : { idempotencyKey })
})

const start = (...args: Parameters<typeof large>) =>
  Effect.gen(function* () {
    const { execute } = yield* SandboxService
    const fiber = yield* Effect.fork(execute(large(...args)))
    yield* settle
    return fiber
  })

const refusal = (...args: Parameters<typeof large>) =>
  Effect.flatMap(SandboxService, ({ execute }) => Effect.flip(execute(large(...args))))

const limits = { maxConcurrentSandboxes: 1, maxQueueWait: 1000, maxQueuedMB: 1, maxUserQueuedMB: 1 }

const served = (others: Partial<typeof limits> = {}) =>
  Effect.provide(service({ program: sleeper }, { ...limits, ...others }))

describe("the budget of requests that wait", () => {
  it.effect("refuses what does not fit beside those that wait, and says when to try again", () =>
    Effect.gen(function* () {
      // Runs, and so holds nothing.
      const running = yield* start("ann")
      const waiting = yield* start("bob")
      assert.include(yield* refusal("cid"), {
        _tag: "SystemAtCapacity",
        message: "System at capacity: 1 MB of requests that are received or wait",
        retryAfter: 1000
      })
      yield* Fiber.interrupt(running)
      yield* settle
      // Bob's has begun to run.
      const next = yield* start("cid")
      assert.strictEqual((yield* refusal("dan"))._tag, "SystemAtCapacity")
      yield* Fiber.interruptAll([waiting, next])
    }).pipe(served())
  )

  it.effect("holds each user to a part of it", () =>
    Effect.gen(function* () {
      const running = yield* start("ann")
      const waiting = yield* start("bob")
      assert.include(yield* refusal("bob"), { _tag: "QuotaExceeded", retryAfter: 1000 })
      const other = yield* start("cid")
      yield* Fiber.interruptAll([running, waiting, other])
      yield* settle
      yield* Fiber.interruptAll([yield* start("ann"), yield* start("bob"), yield* start("cid")])
    }).pipe(served({ maxQueuedMB: 2 }))
  )

  it.effect("counts an execution with a key after its caller went away, until it no longer waits", () =>
    Effect.gen(function* () {
      const running = yield* start("ann")
      yield* Fiber.interrupt(yield* start("bob", "key"))
      assert.strictEqual((yield* refusal("cid"))._tag, "SystemAtCapacity")
      yield* Fiber.interrupt(running)
      yield* settle
      yield* Fiber.interrupt(yield* start("cid"))
      yield* TestClock.adjust("700 seconds")
    }).pipe(served())
  )

  it.effect("gives back what a request held that waited too long, or was refused", () =>
    Effect.gen(function* () {
      const running = yield* start("ann")
      const waiting = yield* start("bob")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Effect.flip(Fiber.join(waiting)))._tag, "QueueTimeout")
      const { execute } = yield* SandboxService
      for (let times = 0; times < 3; times++) {
        const wrong = yield* Effect.flip(execute({ ...large("bob"), language: "cobol" }))
        assert.strictEqual(wrong._tag, "InvalidRequest")
      }
      const next = yield* start("bob")
      yield* Fiber.interruptAll([running, next])
    }).pipe(served({ maxQueueWait: 2 }))
  )

  it.effect("counts what is being received, as long as the scope lasts", () =>
    Effect.gen(function* () {
      const { receive } = yield* SandboxService
      const holder = { executionId: ExecutionId.make("exec_1"), userId: undefined }
      yield* receive(holder, 600_000).pipe(
        Effect.zipRight(Effect.flip(receive(holder, 600_000))),
        Effect.map(({ _tag }) => assert.strictEqual(_tag, "SystemAtCapacity")),
        Effect.scoped
      )
      yield* Effect.scoped(receive({ ...holder, userId: UserId.make("ann") }, 1_000_000))
      yield* Effect.scoped(receive(holder, 1_000_000))
    }).pipe(served())
  )

  it("weighs a text as JavaScript keeps it, whatever it is for", () => {
    const weigh = (request: ExecutionRequestInput) =>
      weightOf(Schema.decodeSync(ExecutionRequest)({ ...request, env: { AB: "é" } }))
    assert.strictEqual(weigh({ code: "abcdé" }), 1024 + 5 + 3)
    assert.strictEqual(weigh({ code: "abcd中" }), 1024 + 10 + 3)
    assert.strictEqual(weigh({ code: "abcde", stdin: "12中", args: ["123", "中"] }), 1024 + 5 + 3 + 6 + 3 + 2)
  })
})
