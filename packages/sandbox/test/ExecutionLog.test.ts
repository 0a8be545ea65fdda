import { ExecutionId, UserId } from "@bulkhead/domain"
import {
  type Entry,
  ExecutionStore,
  GuestProgram,
  type Limits,
  MemoryExecutionStore,
  SandboxService,
  StoreFailure
} from "@bulkhead/sandbox"
import { MockSandboxProvider, TestSandboxService } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option, Ref, TestClock } from "effect"
import { withChangedClock } from "./ChangedClock.js"
import { settle } from "./Fixture.js"

const { MockSandboxes, sleeper } = MockSandboxProvider

const failure = new StoreFailure({ message: "the disk is full" })
/** The service over books that fail when they are told to. */
const service = (
  books: Layer.Layer<ExecutionStore>,
  limits: Parameters<typeof Limits.layer>[0] = {},
  behaviour: Partial<MockSandboxProvider.MockBehaviour> = {}
) =>
  Layer.provideMerge(
    TestSandboxService.layerOver({ ...behaviour, limits, toolchain: { supervisor: GuestProgram.Absent() } }),
    books
  )

const broken = (failing: Ref.Ref<boolean>) =>
  Layer.effect(
    ExecutionStore,
    Effect.map(ExecutionStore, (store) => {
      const unlessBroken = <A>(effect: Effect.Effect<A, StoreFailure>) =>
        Effect.flatMap(Ref.get(failing), (fails) => (fails ? failure : effect))
      return { ...store, ready: unlessBroken(store.ready), commit: unlessBroken(store.commit) }
    })
  ).pipe(Layer.provide(MemoryExecutionStore.layer()))

/** Breaks while others are at work: who looked before that goes on. */
const breaking = (failing: Ref.Ref<boolean>) =>
  Layer.effect(
    ExecutionStore,
    Effect.map(ExecutionStore, (store) => ({
      ...store,
      commit: Effect.flatMap(Ref.get(failing), (fails) => (fails ? failure : store.commit))
    }))
  ).pipe(Layer.provide(MemoryExecutionStore.layer()))

/** Another server ends each execution before this one does. */
const endedElsewhere = Layer.effect(
  ExecutionStore,
  Effect.map(ExecutionStore, (store) => ({
    ...store,
    append: (entries: ReadonlyArray<Entry>) =>
      store.append(
        entries.flatMap((entry): ReadonlyArray<Entry> => {
          if (entry._tag !== "Ended") return [entry]
          const { endedAt, executionId } = entry.end
          return [{ _tag: "Ended", end: { endedAt, executionId, verdict: "InternalError" } }, entry]
        })
      )
  }))
).pipe(Layer.provide(MemoryExecutionStore.layer()))

const execute = (userId = "ann") =>
  Effect.flatMap(SandboxService, (sandboxes) => sandboxes.execute({ code: "print(1)", userId }))

describe("books that cannot be written", () => {
  it.effect("let nothing run, and say so; work goes on once they can", () =>
    Effect.gen(function* () {
      const failing = yield* Ref.make(true)
      yield* Effect.gen(function* () {
        const { readiness } = yield* SandboxService
        const refused = yield* Effect.flip(execute())
        assert.strictEqual(refused._tag, "RecordUnavailable")
        assert.deepStrictEqual(yield* readiness, { ready: false, reason: "What happens cannot be recorded" })
        assert.strictEqual((yield* (yield* MockSandboxes).created).length, 0)
        yield* Ref.set(failing, false)
        assert.strictEqual((yield* execute()).verdict, "Completed")
        assert.deepStrictEqual(yield* readiness, { ready: true })
      }).pipe(Effect.provide(service(broken(failing))))
    })
  )

  it.effect("keep a result from being told that nobody could prove later", () =>
    Effect.gen(function* () {
      const failing = yield* Ref.make(false)
      yield* Effect.gen(function* () {
        const mock = yield* MockSandboxes
        const running = yield* Effect.fork(execute())
        yield* settle
        yield* Ref.set(failing, true)
        yield* TestClock.adjust("304 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(running)))
        yield* TestClock.adjust("1 seconds")
        const result = yield* Fiber.join(running)
        assert.include(result, { success: false, verdict: "InternalError", stdout: "" })
        assert.match(result.error?.message ?? "", /record could not be kept/)
        assert.strictEqual(yield* mock.alive, 0)
      }).pipe(Effect.provide(service(broken(failing), {}, { program: sleeper })))
    })
  )

  it.effect("and can be again in a moment cost no result", () =>
    Effect.gen(function* () {
      const failing = yield* Ref.make(false)
      yield* Effect.gen(function* () {
        const running = yield* Effect.fork(execute())
        yield* settle
        yield* Ref.set(failing, true)
        yield* TestClock.adjust("304 seconds")
        yield* Ref.set(failing, false)
        yield* TestClock.adjust("250 millis")
        assert.strictEqual((yield* Fiber.join(running)).verdict, "TimeLimitExceeded")
      }).pipe(Effect.provide(service(broken(failing), {}, { program: sleeper })))
    })
  )

  it.effect("keep an answer waiting for 5 seconds, also when somebody sets the clock", () =>
    Effect.gen(function* () {
      const failing = yield* Ref.make(false)
      yield* Effect.gen(function* () {
        let setBy = 0
        const onSetClock = withChangedClock((clock) => ({
          currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + setBy)
        }))
        const verdictAfter = Effect.fnUntraced(function* (change: number, seconds: number) {
          const running = yield* Effect.fork(onSetClock(execute()))
          yield* settle
          yield* Ref.set(failing, true)
          yield* TestClock.adjust("301 seconds")
          setBy = change
          yield* TestClock.adjust(Duration.seconds(seconds))
          yield* Ref.set(failing, false)
          yield* TestClock.adjust("500 millis")
          setBy = 0
          return (yield* Fiber.join(running)).verdict
        })
        assert.strictEqual(yield* verdictAfter(600_000, 3), "TimeLimitExceeded")
        assert.strictEqual(yield* verdictAfter(-600_000, 4), "InternalError")
      }).pipe(Effect.provide(service(broken(failing), {}, { program: sleeper })))
    })
  )

  it.effect("are waited for before an execution is answered", () =>
    Effect.gen(function* () {
      const taken = yield* Ref.make<ReadonlyArray<string>>([])
      const kept = yield* Ref.make<ReadonlyArray<string>>([])
      const slow = Layer.effect(
        ExecutionStore,
        Effect.map(ExecutionStore, (store) => ({
          ...store,
          append: (entries: ReadonlyArray<Entry>) =>
            Effect.zipRight(
              Ref.update(taken, (tags) => [...tags, ...entries.map(({ _tag }) => _tag)]),
              store.append(entries)
            ),
          commit: Effect.delay(
            Effect.flatMap(Ref.get(taken), (tags) => Ref.set(kept, tags)),
            "1 second"
          )
        }))
      ).pipe(Layer.provide(MemoryExecutionStore.layer()))
      yield* Effect.gen(function* () {
        const answered = yield* Effect.fork(execute())
        yield* TestClock.adjust("999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(answered)))
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(answered)
        assert.deepStrictEqual((yield* Ref.get(kept)).slice(-2), ["Happened", "Ended"])
      }).pipe(Effect.provide(service(slow)))
    })
  )
})

describe("what an earlier life left unfinished", () => {
  it.effect("is ended at the start, with an event and a result", () =>
    Effect.gen(function* () {
      const executionId = ExecutionId.make("exec_left")
      const left = { executionId, userId: UserId.make("ann"), state: "queued", startedAt: 0 } as const
      const books = Layer.effect(
        ExecutionStore,
        Effect.gen(function* () {
          const store = yield* ExecutionStore
          yield* store.append([{ _tag: "Began", execution: left }])
          return { ...store, unfinished: Effect.succeed([left]) }
        })
      ).pipe(Layer.provide(MemoryExecutionStore.layer()))
      yield* Effect.gen(function* () {
        const sandboxes = yield* SandboxService
        const found = yield* sandboxes.getExecution(executionId)
        assert.include(found, { state: "ended", verdict: "InternalError" })
        assert.match(found.result?.error?.message ?? "", /service stopped/)
        const events = yield* sandboxes.getLogs(executionId)
        assert.deepStrictEqual(
          events.map(({ event }) => event),
          ["execution_failed"]
        )
      }).pipe(Effect.provide(service(books)))
    })
  )
})

describe("what executions use", () => {
  it.effect("is counted by the life of their sandboxes, and priced", () =>
    Effect.gen(function* () {
      const { getUsage } = yield* SandboxService
      const running = yield* Effect.fork(execute())
      yield* settle
      yield* TestClock.adjust("300 seconds")
      yield* Fiber.join(running)
      const [usage] = (yield* getUsage()).items
      assert(usage)
      assert.deepInclude(usage, { userId: UserId.make("ann"), executions: 1, sandboxMs: 300_000 })
      assert.deepInclude(usage, { vcpuSeconds: 600, gibSeconds: 150, artifactBytes: 0 })
      assert.closeTo(usage.costUsd, 600 * 0.000014 + 150 * 0.0000045, 1e-9)
    }).pipe(Effect.provide(service(MemoryExecutionStore.layer(), {}, { program: sleeper })))
  )

  it.effect("is counted also when the execution is killed before its program starts", () =>
    Effect.gen(function* () {
      const { execute, getUsage, killExecution, listExecutions } = yield* SandboxService
      const file = { path: "a.txt", content: "a" }
      const starting = yield* Effect.fork(execute({ code: "x", userId: "ann", files: [file] }))
      yield* TestClock.adjust("7 seconds")
      const [execution] = (yield* listExecutions({ state: "starting" })).items
      assert(execution)
      yield* killExecution(execution.executionId)
      assert.strictEqual((yield* Fiber.join(starting)).verdict, "Killed")
      assert.strictEqual((yield* getUsage()).items[0]?.sandboxMs, 7000)
    }).pipe(Effect.provide(service(MemoryExecutionStore.layer(), {}, { write: Effect.never })))
  )

  it.effect("is measured by a clock that nobody sets, as everything is that takes time", () =>
    Effect.gen(function* () {
      const { getUsage } = yield* SandboxService
      let setBackBy = 0
      const onSetClock = withChangedClock((clock) => ({
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now - setBackBy),
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() - setBackBy
      }))
      const running = yield* Effect.fork(onSetClock(execute()))
      yield* settle
      setBackBy = 3_600_000
      yield* TestClock.adjust("300 seconds")
      const { metrics } = yield* Fiber.join(running)
      assert.include(metrics, { queueTimeMs: 0, startupTimeMs: 0, executionTimeMs: 300_000 })
      assert.strictEqual((yield* getUsage()).items[0]?.sandboxMs, 300_000)
    }).pipe(Effect.provide(service(MemoryExecutionStore.layer(), {}, { program: sleeper })))
  )

  it.effect("is held to a budget, for each user and only within its days", () =>
    Effect.gen(function* () {
      const running = yield* Effect.fork(execute())
      yield* settle
      yield* TestClock.adjust("300 seconds")
      yield* Fiber.join(running)
      const refused = yield* Effect.flip(execute())
      assert.strictEqual(refused._tag, "QuotaExceeded")
      assert.match(refused.message, /quota exceeded: \$0\.01 of \$0\.01 used in 2 days/)
      const bob = yield* Effect.fork(execute("bob"))
      yield* TestClock.adjust("300 seconds")
      assert.strictEqual((yield* Fiber.join(bob)).verdict, "TimeLimitExceeded")
      yield* TestClock.adjust("2 days")
      const again = yield* Effect.fork(execute())
      yield* TestClock.adjust("300 seconds")
      assert.strictEqual((yield* Fiber.join(again)).verdict, "TimeLimitExceeded")
    }).pipe(
      Effect.provide(
        service(
          MemoryExecutionStore.layer(),
          { userBudgetUsd: 0.009, userBudgetDays: 2, reaperInterval: 86_400 },
          { program: sleeper }
        )
      )
    )
  )

  it.effect("say of no execution that it was accepted before a crash would leave a trace of it", () =>
    Effect.gen(function* () {
      const slow = Layer.effect(
        ExecutionStore,
        Effect.map(ExecutionStore, (store) => ({ ...store, commit: Effect.delay(store.commit, "1 second") }))
      ).pipe(Layer.provide(MemoryExecutionStore.layer()))
      yield* Effect.gen(function* () {
        const { submit } = yield* SandboxService
        const submitted = yield* Effect.fork(submit({ code: "print(1)" }))
        yield* settle
        yield* TestClock.adjust("999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(submitted)))
        yield* TestClock.adjust("1 milli")
        assert.match((yield* Fiber.join(submitted)).executionId, /^exec_/)
        yield* TestClock.adjust("5 seconds")
      }).pipe(Effect.provide(service(slow)))
    })
  )

  it.effect("end what was submitted and could not be recorded", () =>
    Effect.gen(function* () {
      const unwritten = Layer.effect(
        ExecutionStore,
        Effect.map(ExecutionStore, (store) => ({ ...store, commit: failure }))
      ).pipe(Layer.provide(MemoryExecutionStore.layer()))
      yield* Effect.gen(function* () {
        const { submit } = yield* SandboxService
        assert.strictEqual((yield* Effect.flip(submit({ code: "print(1)" })))._tag, "RecordUnavailable")
        yield* settle
        assert.strictEqual(yield* (yield* MockSandboxes).alive, 0)
        yield* TestClock.adjust("5 seconds")
      }).pipe(Effect.provide(service(unwritten, {}, { program: sleeper })))
    })
  )

  it.effect("are waited for before anything runs that was submitted: nothing has, where they cannot be", () =>
    Effect.gen(function* () {
      const hanging = Layer.effect(
        ExecutionStore,
        Effect.map(ExecutionStore, (store) => ({ ...store, commit: Effect.delay(failure, "1 second") }))
      ).pipe(Layer.provide(MemoryExecutionStore.layer()))
      yield* Effect.gen(function* () {
        const { submit } = yield* SandboxService
        const submitted = yield* Effect.fork(submit({ code: "print(1)" }))
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* Effect.flip(Fiber.join(submitted)))._tag, "RecordUnavailable")
        assert.deepStrictEqual(yield* (yield* MockSandboxes).created, [])
      }).pipe(Effect.provide(service(hanging, {}, { program: sleeper })))
    })
  )

  it.effect("refuse what was submitted and waits, so that it can be submitted again with its key", () =>
    Effect.gen(function* () {
      const failing = yield* Ref.make(false)
      yield* Effect.gen(function* () {
        const { getExecution, submit } = yield* SandboxService
        const first = yield* submit({ code: "first", timeout: 10 })
        yield* settle
        yield* Ref.set(failing, true)
        const waiting = { code: "second", idempotencyKey: "one", timeout: 10 }
        assert.strictEqual((yield* Effect.flip(submit(waiting)))._tag, "RecordUnavailable")
        yield* Ref.set(failing, false)
        yield* TestClock.adjust("1 second")
        const second = yield* submit(waiting)
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* getExecution(first.executionId)).verdict, "TimeLimitExceeded")
        assert.strictEqual((yield* getExecution(second.executionId)).verdict, "TimeLimitExceeded")
      }).pipe(Effect.provide(service(breaking(failing), { maxConcurrentSandboxes: 1 }, { program: sleeper })))
    })
  )

  it.effect("refuse what waits with a key and has its turn meanwhile, however long they cannot be", () =>
    Effect.gen(function* () {
      const failing = yield* Ref.make(false)
      yield* Effect.gen(function* () {
        const { execute } = yield* SandboxService
        yield* Effect.fork(execute({ code: "first", timeout: 1 }))
        yield* settle
        const waiting = { code: "second", idempotencyKey: "one", timeout: 1 }
        const second = yield* Effect.fork(execute(waiting))
        yield* settle
        yield* Ref.set(failing, true)
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* Effect.flip(Fiber.join(second)))._tag, "RecordUnavailable")
        yield* Ref.set(failing, false)
        const again = yield* Effect.fork(execute(waiting))
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* Fiber.join(again)).verdict, "TimeLimitExceeded")
      }).pipe(Effect.provide(service(breaking(failing), { maxConcurrentSandboxes: 1 }, { program: sleeper })))
    })
  )

  it.effect("say what a key stands for, whatever came of its execution here", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      yield* Effect.fork(execute({ code: "first", timeout: 10 }))
      yield* settle
      const waiting = { code: "second", idempotencyKey: "one" }
      const second = yield* Effect.fork(Effect.flip(execute(waiting)))
      yield* settle
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(second))._tag, "QueueTimeout")
      const again = yield* Effect.fork(Effect.flip(execute(waiting)))
      yield* settle
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(again))._tag, "IdempotencyConflict")
      yield* TestClock.adjust("30 seconds")
    }).pipe(
      Effect.provide(
        service(endedElsewhere, { maxConcurrentSandboxes: 1, maxQueueWait: 1 }, { program: sleeper })
      )
    )
  )

  it.effect("do not end what runs already for who asks once more, with its key", () =>
    Effect.gen(function* () {
      const failing = yield* Ref.make(false)
      yield* Effect.gen(function* () {
        const { execute, submit } = yield* SandboxService
        const request = { code: "print(1)", idempotencyKey: "one" }
        const running = yield* Effect.fork(execute(request))
        yield* settle
        yield* Ref.set(failing, true)
        assert.strictEqual((yield* Effect.flip(submit(request)))._tag, "RecordUnavailable")
        yield* settle
        assert.strictEqual(yield* (yield* MockSandboxes).alive, 1)
        yield* Ref.set(failing, false)
        yield* TestClock.adjust("300 seconds")
        assert.strictEqual((yield* Fiber.join(running)).verdict, "TimeLimitExceeded")
      }).pipe(Effect.provide(service(broken(failing), {}, { program: sleeper })))
    })
  )

  it.effect("never make more executions count as active than may be: who has left its place is not", () =>
    Effect.gen(function* () {
      const slow = Layer.effect(
        ExecutionStore,
        Effect.map(ExecutionStore, (store) => ({ ...store, commit: Effect.delay(store.commit, "1 second") }))
      ).pipe(Layer.provide(MemoryExecutionStore.layer()))
      yield* Effect.gen(function* () {
        const { getSystemMetrics, getUserMetrics } = yield* SandboxService
        const both = yield* Effect.fork(Effect.all([execute(), execute()], { concurrency: 2 }))
        yield* settle
        // The first waits for its end to be kept, and the second has its place.
        yield* TestClock.adjust("500 millis")
        assert.isAtMost((yield* getSystemMetrics).activeExecutions, 1)
        assert.isAtMost((yield* getUserMetrics(UserId.make("ann"))).activeExecutions, 1)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(both)
      }).pipe(Effect.provide(service(slow, { maxConcurrentSandboxes: 1, maxSandboxesPerUser: 1 })))
    })
  )
})
