import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider, TestSandboxService } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, Stream, TestClock } from "effect"
import { withChangedClock } from "../../../packages/sandbox/test/ChangedClock.js"
import * as FailedSignIns from "../src/dashboard/FailedSignIns.js"
import * as Load from "../src/dashboard/Load.js"
import * as Sessions from "../src/dashboard/Sessions.js"

/** Runs an effect where the time of day is another. How much time has gone by is the same. */
const at = (timeOfDay: number) => withChangedClock(() => ({ currentTimeMillis: Effect.succeed(timeOfDay) }))

const day = Duration.toMillis("1 day")

describe("sessions", () => {
  it.effect("end after eight hours, however often they are used", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions.make
      const id = yield* sessions.begin
      yield* TestClock.adjust("7 hours")
      assert.isTrue(Option.isSome(yield* sessions.endOf(id)))
      yield* TestClock.adjust("1 hour")
      assert.isTrue(Option.isNone(yield* sessions.endOf(id)))
    })
  )

  it.effect("end then also when somebody sets the clock, of which they tell the new time", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions.make
      const id = yield* at(7 * day)(sessions.begin)
      yield* TestClock.adjust("7 hours")
      const inAnHour = Duration.toMillis("1 hour")
      assert.deepStrictEqual(yield* at(8 * day)(sessions.endOf(id)), Option.some(8 * day + inAnHour))
      assert.deepStrictEqual(yield* at(0)(sessions.endOf(id)), Option.some(inAnHour))
      yield* TestClock.adjust("1 hour")
      assert.isTrue(Option.isNone(yield* at(0)(sessions.endOf(id))))
    })
  )

  it.effect("are bounded: one more ends the oldest", () =>
    Effect.gen(function* () {
      const sessions = yield* Sessions.make
      const ids = yield* Effect.replicateEffect(sessions.begin, Sessions.mostSessions + 1)
      const open = yield* Effect.filter(ids, (id) => Effect.map(sessions.endOf(id), Option.isSome))
      assert.deepStrictEqual(open, ids.slice(1))
      assert.strictEqual(new Set(ids).size, ids.length)
    })
  )
})

describe("wrong tokens", () => {
  const given = (failures: FailedSignIns.FailedSignIns, address: string, times: number) =>
    Effect.replicateEffect(failures.add(address), times, { discard: true })

  it.effect("make their address wait until a minute after the first, and no other", () =>
    Effect.gen(function* () {
      const failures = yield* FailedSignIns.make
      yield* given(failures, "10.0.0.1", FailedSignIns.mostFailures - 1)
      assert.isTrue(Option.isNone(yield* failures.waitOf("10.0.0.1")))
      yield* TestClock.adjust("20 seconds")
      yield* failures.add("10.0.0.1")
      assert.deepStrictEqual(yield* failures.waitOf("10.0.0.1"), Option.some(40))
      assert.isTrue(Option.isNone(yield* failures.waitOf("10.0.0.2")))
      yield* TestClock.adjust("40 seconds")
      assert.isTrue(Option.isNone(yield* failures.waitOf("10.0.0.1")))
      yield* failures.add("10.0.0.1")
      assert.isTrue(Option.isNone(yield* failures.waitOf("10.0.0.1")))
    })
  )

  it.effect("make nobody wait longer, nor less, when somebody sets the clock", () =>
    Effect.gen(function* () {
      const failures = yield* FailedSignIns.make
      yield* at(7 * day)(given(failures, "10.0.0.1", FailedSignIns.mostFailures))
      assert.deepStrictEqual(yield* at(0)(failures.waitOf("10.0.0.1")), Option.some(60))
      assert.deepStrictEqual(yield* at(8 * day)(failures.waitOf("10.0.0.1")), Option.some(60))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Option.isNone(yield* at(0)(failures.waitOf("10.0.0.1"))))
    })
  )

  it.effect("count for the whole network that one machine has of IPv6", () =>
    Effect.gen(function* () {
      const failures = yield* FailedSignIns.make
      for (let host = 1; host <= FailedSignIns.mostFailures; host++)
        yield* failures.add(`2001:db8:1:2::${host.toString(16)}`)
      assert.isTrue(Option.isSome(yield* failures.waitOf("2001:db8:1:2::ffff")))
      assert.isTrue(Option.isNone(yield* failures.waitOf("2001:db8:1:3::1")))
      for (let host = 1; host <= FailedSignIns.mostFailures; host++)
        yield* failures.add(`2001:db8::${host.toString(16)}:0:0:1`)
      assert.isTrue(Option.isSome(yield* failures.waitOf("2001:db8::ffff:0:0:1")))
      yield* given(failures, "::ffff:10.0.0.1", FailedSignIns.mostFailures)
      assert.isTrue(Option.isNone(yield* failures.waitOf("::ffff:10.0.0.2")))
    })
  )
})

const run = { code: "while True: pass", timeout: 30 }

describe("the load", () => {
  it.scoped("is kept for an hour, every ten seconds", () =>
    Effect.gen(function* () {
      const load = yield* Load.make
      const { execute } = yield* SandboxService
      yield* TestClock.adjust("5 seconds")
      yield* Effect.fork(execute(run))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        (yield* load.history).map(({ active, at }) => [at, active]),
        [
          [0, 0],
          [10_000, 1]
        ]
      )
      yield* TestClock.adjust("1 hour")
      const history = yield* load.history
      assert.lengthOf(history, 360)
      assert.strictEqual(history.at(-1)?.active, 0)
    }).pipe(Effect.provide(TestSandboxService.layer({ program: MockSandboxProvider.sleeper })))
  )

  it.scoped(
    "is told twice a second, by one look for however many read, and says when executions changed",
    () =>
      Effect.gen(function* () {
        const service = yield* SandboxService
        let looks = 0
        const counting = SandboxService.of({
          ...service,
          readiness: Effect.suspend(() => {
            looks++
            return service.readiness
          })
        })
        const load = yield* Effect.provideService(Load.make, SandboxService, counting)
        const readers = yield* Effect.forEach([1, 2, 3], () =>
          Effect.fork(Stream.runCollect(Stream.take(load.ticks, 5)))
        )
        yield* TestClock.adjust("900 millis")
        const running = yield* Effect.fork(service.execute({ code: "print(1)", timeout: 30 }))
        yield* TestClock.adjust("600 millis")
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(running)
        const seen = yield* Effect.map(Fiber.join(readers[0] ?? Fiber.never), (ticks) => [...ticks])
        const changes = seen.map(({ revision }, index) => revision !== seen[index - 1]?.revision)
        assert.deepStrictEqual(changes, [true, false, true, false, false])
        assert.deepStrictEqual(
          seen.map(({ at }) => at),
          [0, 500, 1000, 1500, 2000]
        )
        for (const reader of readers) yield* Fiber.join(reader)
        assert.isAtMost(looks, 6)
        yield* TestClock.adjust("1 minute")
        const before = looks
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(looks, before)
      }).pipe(Effect.provide(TestSandboxService.layer()))
  )
})
