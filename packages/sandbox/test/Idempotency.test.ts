import { ExecutionId, ExecutionRequest, RecordUnavailable, UserId } from "@bulkhead/domain"
import {
  ExecutionStore,
  IdempotencyKeys,
  MemoryExecutionStore,
  SandboxService,
  StoreFailure
} from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Ref, Schema, TestClock } from "effect"
import * as Idempotency from "../src/Execution/Idempotency.js"
import { service, settle } from "./Fixture.js"

const { failure, MockSandboxes, sleeper } = MockSandboxProvider

const noKey = new Uint8Array()

const created = Effect.flatMap(MockSandboxes, (mock) => Effect.map(mock.created, (all) => all.length))

const execute = (idempotencyKey: string, code = "print(1)", userId = "ann", timeout = 60) =>
  Effect.flatMap(SandboxService, (sandboxes) =>
    sandboxes.execute({ code, idempotencyKey, timeout }, { userId: UserId.make(userId) })
  )

/** In the background, until it needs time to go by. */
const begin = (key: string, code?: string) => Effect.tap(Effect.fork(execute(key, code)), () => settle)

describe("an idempotency key", () => {
  it.effect("that another server holds runs nothing, and says how that server's execution stands", () =>
    Effect.gen(function* () {
      const { claim } = yield* IdempotencyKeys
      const store = yield* ExecutionStore
      const userId = UserId.make("ann")
      const { executionId } = yield* execute("ours")
      const theirs = ExecutionId.make("exec_theirs")
      const request = { code: "print(1)", timeout: 60 }
      const fingerprint = Idempotency.fingerprint(
        Schema.decodeSync(ExecutionRequest)(request),
        new Map(),
        noKey
      )
      assert.notStrictEqual(executionId, theirs)
      yield* claim({ userId, key: "one", fingerprint, executionId: theirs })
      const execution = { executionId: theirs, userId, state: "running", startedAt: 0 } as const
      yield* store.append([{ _tag: "Began", execution }])
      const underWay = yield* Effect.flip(execute("one"))
      assert.include(underWay, { _tag: "RecordUnavailable", retryAfter: 1 })
      assert.match(underWay.message, /under way on another server/)
      yield* store.append([
        { _tag: "Ended", end: { executionId: theirs, endedAt: 1, verdict: "InternalError" } }
      ])
      const ended = yield* Effect.flip(execute("one"))
      assert.strictEqual(ended._tag, "IdempotencyConflict")
      assert.match(ended.message, /not kept here any more$/)
      assert.strictEqual(yield* created, 1)
    }).pipe(Effect.provide(service()))
  )

  it("stands for the input and the arguments too, and for no other request than before without them", () => {
    const of = (request: object) =>
      Idempotency.fingerprint(
        Schema.decodeUnknownSync(ExecutionRequest)({ code: "print(1)", ...request }),
        new Map(),
        noKey
      )
    const different = [
      {},
      { stdin: "" },
      { stdin: "a" },
      { stdin: "aaaa", stdinEncoding: "base64" },
      { stdin: "aaaa" },
      { args: ["a", "b"] },
      { args: ["a,b"] }
    ]
    assert.strictEqual(new Set(different.map(of)).size, different.length)
    assert.strictEqual(of({ args: [], stdin: null }), of({}))
    assert.strictEqual(of({}), "MT6Fj2v9g8XN6TQXugJCf4Az9G7Efh8IcJ1O0kz0Ihc")
  })

  it.effect("gives the first result again, without a second run", () =>
    Effect.gen(function* () {
      const first = yield* execute("one")
      assert.deepStrictEqual(yield* execute("one"), first)
      assert.strictEqual(yield* created, 1)
    }).pipe(Effect.provide(service()))
  )

  it.effect("joins an execution that is under way", () =>
    Effect.gen(function* () {
      const fibers = [yield* begin("one"), yield* begin("one"), yield* begin("one")]
      yield* TestClock.adjust("60 seconds")
      const results = yield* Fiber.join(Fiber.all(fibers))
      assert.strictEqual(new Set(results.map(({ executionId }) => executionId)).size, 1)
      assert.strictEqual(results[0]?.verdict, "TimeLimitExceeded")
      assert.strictEqual(yield* created, 1)
    }).pipe(Effect.provide(service({ program: sleeper })))
  )

  it.effect("belongs to one user", () =>
    Effect.gen(function* () {
      const ann = yield* execute("one", "print(1)", "ann")
      const bob = yield* execute("one", "print(1)", "bob")
      assert.notStrictEqual(ann.executionId, bob.executionId)
    }).pipe(Effect.provide(service()))
  )

  it.effect("stands for one request alone, under way and afterwards", () =>
    Effect.gen(function* () {
      const running = yield* begin("one", "loop")
      const meanwhile = yield* Effect.flip(execute("one", "another"))
      assert.strictEqual(meanwhile._tag, "IdempotencyConflict")
      yield* TestClock.adjust("60 seconds")
      yield* Fiber.join(running)
      const afterwards = yield* Effect.flip(execute("one", "another"))
      assert.strictEqual(afterwards._tag, "IdempotencyConflict")
      assert.match(afterwards.message, /^idempotencyKey: expected a new key/)
      assert.strictEqual(yield* created, 1)
    }).pipe(Effect.provide(service({ program: sleeper })))
  )

  it.effect("keeps its execution alive when the caller goes away", () =>
    Effect.gen(function* () {
      yield* Fiber.interrupt(yield* begin("one"))
      const again = yield* begin("one")
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* Fiber.join(again)).verdict, "TimeLimitExceeded")
      assert.strictEqual(yield* created, 1)
    }).pipe(Effect.provide(service({ program: sleeper })))
  )

  it.effect("can be used again when no code ran", () =>
    Effect.gen(function* () {
      const mock = yield* MockSandboxes
      yield* mock.behave({ create: failure("PERMISSION_DENIED", "create", false) })
      assert.strictEqual((yield* execute("one")).verdict, "InternalError")
      yield* mock.behave({ create: Effect.void })
      assert.strictEqual((yield* execute("one")).verdict, "Completed")
    }).pipe(Effect.provide(service()))
  )

  it.effect("cannot be used again when an earlier attempt ran code, and what that wrote is not lost", () =>
    Effect.gen(function* () {
      const mock = yield* MockSandboxes
      const lost = failure("ECONNRESET", "run")
      yield* mock.behave({
        program: (process) =>
          process
            .stdout("partial")
            .pipe(
              Effect.zipRight(mock.behave({ create: failure("PERMISSION_DENIED", "create", false) })),
              Effect.zipRight(lost)
            )
      })
      const ask = Effect.flatMap(SandboxService, ({ execute }) =>
        execute({ code: "x", idempotencyKey: "one", retryOnFailure: true })
      )
      const first = yield* Effect.fork(ask)
      yield* TestClock.adjust("1 minute")
      const result = yield* Fiber.join(first)
      assert.include(result, { verdict: "InternalError", stdout: "partial" })
      yield* mock.behave({ create: Effect.void })
      assert.deepStrictEqual(yield* ask, result)
    }).pipe(Effect.provide(service()))
  )

  it.effect("can be used again after a refusal", () =>
    Effect.gen(function* () {
      const running = yield* begin("one")
      const refused = yield* Effect.flip(execute("two"))
      assert.strictEqual(refused._tag, "QuotaExceeded")
      yield* TestClock.adjust("60 seconds")
      yield* Fiber.join(running)
      const second = yield* begin("two")
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* Fiber.join(second)).verdict, "TimeLimitExceeded")
    }).pipe(Effect.provide(service({ program: sleeper }, { maxSandboxesPerUser: 1, maxQueuedPerUser: 0 })))
  )

  it.effect("gives everyone who joined the same refusal", () =>
    Effect.gen(function* () {
      const running = yield* begin("one")
      const waiting = [yield* begin("two"), yield* begin("two")]
      yield* TestClock.adjust("5 seconds")
      const refusals = yield* Effect.forEach(waiting, (fiber) => Effect.flip(Fiber.join(fiber)))
      assert.deepStrictEqual(
        refusals.map(({ _tag }) => _tag),
        ["QueueTimeout", "QueueTimeout"]
      )
      yield* TestClock.adjust("60 seconds")
      yield* Fiber.join(running)
    }).pipe(Effect.provide(service({ program: sleeper }, { maxSandboxesPerUser: 1, maxQueueWait: 5 })))
  )

  it.effect("whose server died before anything ran can be used again", () =>
    Effect.gen(function* () {
      const { claim } = yield* IdempotencyKeys
      const lost = { userId: UserId.make("ann"), key: "one", fingerprint: "of another life" }
      yield* claim({ ...lost, executionId: ExecutionId.make("exec_unknown") })
      assert.strictEqual((yield* execute("one")).verdict, "Completed")
      yield* execute("one")
      assert.strictEqual(yield* created, 1)
    }).pipe(Effect.provide(service()))
  )

  it.effect("that the store may have lost is given back when the store is there again", () =>
    Effect.gen(function* () {
      const isAway = yield* Ref.make(false)
      const answer = Effect.whenEffect(new StoreFailure({ message: "no answer" }), Ref.get(isAway))
      const { claim, release } = yield* IdempotencyKeys
      const keys = Layer.succeed(IdempotencyKeys, {
        // It is claimed, but who asked does not hear of it.
        claim: (wanted) => Effect.zipLeft(claim(wanted), answer),
        release: (held) => Effect.zipRight(answer, release(held))
      })
      const of = (name: string) => ({
        userId: UserId.make("ann"),
        key: "one",
        fingerprint: "the same",
        executionId: ExecutionId.make(`exec_${name}`)
      })
      const isFree = Effect.gen(function* () {
        yield* Ref.set(isAway, false)
        yield* TestClock.adjust("1 second")
        const another = of("another")
        assert.deepStrictEqual(yield* claim(another), another)
        yield* release(another)
      })
      const { once } = yield* Effect.map(
        Layer.build(
          Layer.provide(Idempotency.Idempotency.layer, Layer.merge(keys, MemoryExecutionStore.layer()))
        ),
        Context.get(Idempotency.Idempotency)
      )
      const lost = { executionId: of("b").executionId, message: "away", retryAfter: 1 }

      yield* Ref.set(isAway, true)
      assert.include(yield* Effect.flip(once(of("a"), Effect.dieMessage("it is not claimed"))), {
        _tag: "RecordUnavailable"
      })
      yield* isFree
      const refused = Effect.zipRight(Ref.set(isAway, true), new RecordUnavailable(lost))
      assert.include(yield* Effect.flip(once(of("b"), refused)), lost)
      yield* isFree
    }).pipe(Effect.scoped, Effect.provide(IdempotencyKeys.layerMemory()))
  )

  it.effect("runs the code once, however many ask at once", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      const mock = yield* MockSandboxes
      yield* mock.behave({
        program: () =>
          Effect.as(
            Ref.update(runs, (count) => count + 1),
            { exitCode: 0 }
          )
      })
      yield* Effect.all(
        Array.from({ length: 100 }, () => execute("one")),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(yield* Ref.get(runs), 1)
    }).pipe(Effect.provide(service()))
  )
})
