import { UserId } from "@bulkhead/domain"
import { MockSandboxProvider, TestSandboxService } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Stream, TestClock } from "effect"
import { withChangedClock } from "../../sandbox/test/ChangedClock.js"
import { Sessions } from "../src/http/Sessions.js"

const alice = UserId.make("alice")
const bob = UserId.make("bob")

const open = (userId: UserId) => Effect.flatMap(Sessions, ({ open }) => open(userId, "2025-11-25"))

const isThere = (id: string, userId: UserId) =>
  Effect.map(
    Effect.flatMap(Sessions, ({ find }) => find(id, userId)),
    Option.isSome
  )

describe("Sessions", () => {
  it.effect("are their user's alone, and over when they are closed", () =>
    Effect.gen(function* () {
      const id = yield* open(alice)
      assert.isTrue(yield* isThere(id, alice))
      assert.isFalse(yield* isThere(id, bob))
      yield* Effect.flatMap(Sessions, ({ close }) => close(id))
      assert.isFalse(yield* isThere(id, alice))
    }).pipe(Effect.provide(Sessions.layer()))
  )

  it.effect("are over after half an hour without a word", () =>
    Effect.gen(function* () {
      const quiet = yield* open(alice)
      const heard = yield* open(alice)
      yield* TestClock.adjust("20 minutes")
      const session = yield* Effect.flatten(Effect.flatMap(Sessions, ({ find }) => find(heard, alice)))
      yield* session.hear({ method: "notifications/initialized", params: {} })
      yield* TestClock.adjust("11 minutes")
      assert.isFalse(yield* isThere(quiet, alice))
      assert.isTrue(yield* isThere(heard, alice))
    }).pipe(Effect.provide(Sessions.layer()))
  )

  it.effect("are neither ended nor kept by a clock that is set", () => {
    let setBy = 0
    const onSetClock = withChangedClock((clock) => ({
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + setBy),
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + setBy
    }))
    const body = (clock: TestClock.TestClock) =>
      Effect.gen(function* () {
        const id = yield* open(alice)
        setBy = 3_600_000
        yield* clock.adjust("29 minutes")
        assert.isTrue(yield* isThere(id, alice))
        setBy = -3_600_000
        yield* clock.adjust("1 minute")
        assert.isFalse(yield* isThere(id, alice))
      }).pipe(Effect.provide(Sessions.layer()), onSetClock)
    return Effect.flatMap(TestClock.testClock(), body)
  })

  it.effect("make room for new ones, the user's own first, the longest idle first", () =>
    Effect.gen(function* () {
      const first = yield* open(alice)
      const other = yield* open(bob)
      yield* TestClock.adjust("1 second")
      const second = yield* open(alice)
      yield* TestClock.adjust("1 second")
      const third = yield* open(alice)
      assert.deepStrictEqual(
        yield* Effect.all([isThere(first, alice), isThere(second, alice), isThere(third, alice)]),
        [false, true, true]
      )
      assert.isTrue(yield* isThere(other, bob))
      yield* open(UserId.make("carol"))
      assert.isFalse(yield* isThere(other, bob))
    }).pipe(Effect.provide(Sessions.layer({ eachUser: 2, all: 3 })))
  )

  it.effect("are not lost to new ones while a request of theirs runs, which ends when they do", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const program: MockSandboxProvider.MockProgram = (process) =>
        Effect.zipRight(Deferred.succeed(begun, undefined), MockSandboxProvider.sleeper(process))
      const services = yield* Layer.build(TestSandboxService.layer({ program }))
      const { close, find } = yield* Sessions
      const id = yield* open(alice)
      const busy = yield* Effect.flatten(find(id, alice))
      const asked = {
        _tag: "Request" as const,
        id: 1,
        method: "tools/call",
        params: { name: "execute_code", arguments: { code: "while True: pass" } }
      }
      const running = yield* Effect.fork(Effect.provide(Stream.runCollect(busy.answer(asked)), services))
      yield* Deferred.await(begun)
      const same = yield* Stream.runHead(Stream.provideContext(busy.answer(asked), services))
      assert.include(JSON.stringify(same), "id: expected one that no running request")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(open(alice))))
      yield* TestClock.adjust("1 minute")
      yield* close(id)
      // It ends with its sandbox, and without an answer.
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(yield* Fiber.join(running), 0)
      const { alive } = Context.get(services, MockSandboxProvider.MockSandboxes)
      assert.strictEqual(yield* alive, 0)
      yield* open(alice)
    }).pipe(Effect.scoped, Effect.provide(Sessions.layer({ eachUser: 1 })))
  )
})
