import { ExecutionId, type ExecutionUpdate, UserId } from "@bulkhead/domain"
import { ExecutionStore, SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Ref, Stream, TestClock } from "effect"
import { begin, service, settle } from "./Fixture.js"

const { failure, MockSandboxes, printing, sleeper } = MockSandboxProvider
const ann = UserId.make("ann")

const typesOf = (updates: Iterable<ExecutionUpdate>) => [...updates].map(({ type }) => type)

const textOf = (updates: Iterable<ExecutionUpdate>, stream: "stdout" | "stderr" = "stdout") =>
  [...updates].flatMap((update) => (update.type === stream ? [update.text] : [])).join("")

const resultOf = (updates: Iterable<ExecutionUpdate>) => {
  const last = [...updates].at(-1)
  assert(last?.type === "result", JSON.stringify(last))
  return last.result
}

/** Reads a stream in the background, until it needs time to go by. */
const reading = Effect.fnUntraced(function* <E>(stream: Stream.Stream<ExecutionUpdate, E>) {
  const seen = yield* Ref.make(Chunk.empty<ExecutionUpdate>())
  const fiber = yield* Effect.fork(
    Stream.runForEach(stream, (update) => Ref.update(seen, Chunk.append(update)))
  )
  yield* settle
  return { fiber, seen: Ref.get(seen) }
})

const noisy: MockSandboxProvider.MockProgram = (process) =>
  process
    .stdout("one ")
    .pipe(
      Effect.zipRight(process.stderr("oh")),
      Effect.zipRight(process.stdout("two")),
      Effect.zipRight(sleeper(process))
    )

const alive = Effect.flatMap(MockSandboxes, (mock) => mock.alive)

describe("stream", () => {
  it.effect("tells what happens, with every byte of output in order, and the result in the end", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const updates = yield* Stream.runCollect(sandboxes.stream({ code: "print(1)", timeout: 5 })).pipe(
        Effect.fork,
        Effect.tap(() => TestClock.adjust("5 seconds")),
        Effect.flatMap(Fiber.join)
      )
      assert.deepStrictEqual(typesOf(updates), ["started", "stdout", "stderr", "stdout", "result"])
      assert.strictEqual(textOf(updates), "one two")
      assert.strictEqual(resultOf(updates).stdout, "one two")
      assert.strictEqual(resultOf(updates).verdict, "TimeLimitExceeded")
    }).pipe(Effect.provide(service({ program: noisy })))
  )

  it.effect("tells while the program runs", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const { fiber, seen } = yield* reading(sandboxes.stream({ code: "print(1)" }))
      assert.deepStrictEqual(typesOf(yield* seen), ["started", "stdout", "stderr", "stdout"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(service({ program: noisy })))
  )

  it.effect("fails before the first update when the request is refused", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const refused = (request: object) =>
        Effect.map(Effect.flip(Stream.runDrain(sandboxes.stream(request as never))), ({ _tag }) => _tag)
      assert.strictEqual(yield* refused({ code: 1 }), "InvalidRequest")
      const running = yield* begin()
      assert.strictEqual(yield* refused({ code: "x" }), "SystemAtCapacity")
      yield* Fiber.interrupt(running)
    }).pipe(Effect.provide(service({ program: sleeper }, { maxConcurrentSandboxes: 1, maxQueued: 0 })))
  )

  it.effect("of who is turned away after a wait ends with a rejected result", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const running = yield* begin()
      const { fiber, seen } = yield* reading(sandboxes.stream({ code: "x" }))
      yield* TestClock.adjust("60 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(typesOf(yield* seen), ["queued", "result"])
      assert.deepInclude(resultOf(yield* seen), { verdict: "Rejected" })
      assert.strictEqual(resultOf(yield* seen).error?.code, "QUEUE_TIMEOUT")
      yield* Fiber.interrupt(running)
    }).pipe(Effect.provide(service({ program: sleeper }, { maxConcurrentSandboxes: 1, maxQueueWait: 60 })))
  )

  it.effect("kills the program when its reader leaves, and what came of it is kept", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const { fiber } = yield* reading(sandboxes.stream({ code: "x" }))
      assert.strictEqual(yield* alive, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* alive, 0)
      const [execution] = (yield* sandboxes.listExecutions()).items
      assert(execution)
      const { result, state, verdict } = yield* sandboxes.getExecution(execution.executionId)
      assert.deepStrictEqual([state, verdict, result?.stdout], ["ended", "Killed", "one two"])
      assert.include(result?.error?.message, "the caller went away")
    }).pipe(Effect.provide(service({ program: noisy })))
  )

  it.effect("with an idempotency key goes on when its reader leaves, and can be read again", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const request = { code: "x", idempotencyKey: "one", timeout: 5 }
      const first = yield* reading(sandboxes.stream(request))
      yield* Fiber.interrupt(first.fiber)
      assert.strictEqual(yield* alive, 1)
      const second = yield* reading(sandboxes.stream(request))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(second.fiber)
      assert.strictEqual(textOf(yield* second.seen), "one two")
      const third = yield* Stream.runCollect(sandboxes.stream(request))
      assert.strictEqual(textOf(third), "one two")
      assert.strictEqual(resultOf(third).executionId, resultOf(yield* second.seen).executionId)
      assert.strictEqual((yield* (yield* MockSandboxes).created).length, 1)
    }).pipe(Effect.provide(service({ program: noisy })))
  )

  it.effect("tells of a retry, after which output begins anew", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const attempts = yield* Ref.make(0)
      yield* (yield* MockSandboxes).behave({
        program: (process) =>
          Effect.flatMap(
            Ref.getAndUpdate(attempts, (n) => n + 1),
            (earlier) =>
              Effect.zipRight(
                process.stdout(`try ${earlier}`),
                earlier === 0 ? failure("ECONNRESET", "run") : Effect.succeed({ exitCode: 0 })
              )
          )
      })
      const { fiber, seen } = yield* reading(sandboxes.stream({ code: "x", retryOnFailure: true }))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      const updates = [...(yield* seen)]
      assert.deepStrictEqual(typesOf(updates), ["started", "stdout", "retrying", "stdout", "result"])
      assert.deepInclude(updates[3], { offset: 0, text: "try 1" })
      assert.strictEqual(resultOf(updates).stdout, "try 1")
    }).pipe(Effect.provide(service()))
  )

  it.effect("that reads slowly holds up nothing, and is told what it has missed", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const stalled = yield* Effect.makeLatch()
      const { summary, updates } = yield* sandboxes.begin({ code: "x", idempotencyKey: "one" })
      const seen: Array<ExecutionUpdate> = []
      const reader = yield* Effect.fork(
        Stream.runForEach(updates, (update) =>
          Effect.zipRight(
            Effect.sync(() => void seen.push(update)),
            stalled.await
          )
        )
      )
      const other = yield* Stream.runCollect(sandboxes.updates(summary.executionId))
      assert.strictEqual(resultOf(other).stdout.length, 1_000_000)
      yield* stalled.open
      yield* Fiber.join(reader)
      const missed = seen.find(({ type }) => type === "missed")
      assert(missed?.type === "missed")
      assert.strictEqual(
        textOf(seen).length + (missed.stdout?.to ?? 0) - (missed.stdout?.from ?? 0),
        1_000_000
      )
      assert.strictEqual(resultOf(seen).stdout.length, 1_000_000)
    }).pipe(
      Effect.provide(
        service({
          program: (process) =>
            Effect.as(
              Effect.repeatN(Effect.zipRight(process.stdout("x".repeat(1000)), Effect.yieldNow()), 999),
              { exitCode: 0 }
            )
        })
      )
    )
  )
})

describe("submit", () => {
  it.effect("returns at once, and the execution goes on and can be followed from its beginning", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const { executionId, state, userId } = yield* sandboxes.submit(
        { code: "x", timeout: 5 },
        { userId: ann }
      )
      assert.deepStrictEqual([state, userId], ["starting", ann])
      yield* settle
      const readers = yield* Effect.all([
        reading(sandboxes.updates(executionId)),
        reading(sandboxes.updates(executionId))
      ])
      for (const { seen } of readers) {
        assert.deepStrictEqual(typesOf(yield* seen), ["started", "stdout", "stderr", "stdout"])
      }
      assert.strictEqual((yield* sandboxes.getSystemMetrics).openStreams, 2)
      assert.strictEqual((yield* sandboxes.getUserMetrics(ann)).openStreams, 2)
      yield* Fiber.interrupt(readers[0].fiber)
      assert.strictEqual(yield* alive, 1)
      assert.strictEqual((yield* sandboxes.getSystemMetrics).openStreams, 1)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(readers[1].fiber)
      assert.strictEqual(resultOf(yield* readers[1].seen).verdict, "TimeLimitExceeded")
      assert.strictEqual((yield* sandboxes.getSystemMetrics).openStreams, 0)
    }).pipe(Effect.provide(service({ program: noisy })))
  )

  it.effect("gives the same execution for the same key, which runs once", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const request = { code: "x", idempotencyKey: "one" }
      const [first, second] = yield* Effect.all([sandboxes.submit(request), sandboxes.submit(request)], {
        concurrency: 2
      })
      assert.strictEqual(second.executionId, first.executionId)
      yield* Stream.runDrain(sandboxes.updates(first.executionId))
      const third = yield* sandboxes.submit(request)
      assert.deepStrictEqual([third.executionId, third.state], [first.executionId, "ended"])
      assert.strictEqual((yield* (yield* MockSandboxes).created).length, 1)
      const other = yield* Effect.flip(sandboxes.submit({ ...request, code: "y" }))
      assert.strictEqual(other._tag, "IdempotencyConflict")
    }).pipe(Effect.provide(service()))
  )

  it.effect("gives back the bytes of its request once it runs", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const code = `#${"x".repeat(900_000)}`
      for (let sent = 0; sent < 40; sent++) {
        const { executionId } = yield* sandboxes.submit({ code }, { userId: ann })
        yield* Stream.runDrain(sandboxes.updates(executionId))
      }
    }).pipe(Effect.provide(service({}, { maxUserQueuedMB: 2, maxQueuedMB: 2 })))
  )
})

describe("updates", () => {
  it.effect("of an execution that nobody has is not found", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const error = yield* Effect.flip(Stream.runDrain(sandboxes.updates(ExecutionId.make("exec_none"))))
      assert.strictEqual(error._tag, "ExecutionNotFound")
    }).pipe(Effect.provide(service()))
  )

  it.effect("are read on after any of them, while it runs and when it has ended", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const all = [...(yield* Stream.runCollect(sandboxes.stream({ code: "x" })))]
      const { executionId } = resultOf(all)
      for (const [index, { id }] of all.entries()) {
        const rest = [...(yield* Stream.runCollect(sandboxes.updates(executionId, { after: id })))]
        const seen = all.slice(0, index + 1)
        assert.strictEqual(textOf(seen) + textOf(rest), "Hello, World!\n", id)
        assert.strictEqual(rest.length === 0, id === "end")
      }
    }).pipe(Effect.provide(service({ program: printing("Hello, World!\n") })))
  )

  it.effect("of an execution on another server are what is kept of it, once it has ended", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const store = yield* ExecutionStore
      const executionId = ExecutionId.make("exec_theirs")
      const execution = { executionId, userId: ann, state: "running", startedAt: 0 } as const
      yield* store.append([{ _tag: "Began", execution }])
      const { fiber, seen } = yield* reading(sandboxes.updates(executionId))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(typesOf(yield* seen), [])
      yield* store.append([{ _tag: "Ended", end: { executionId, endedAt: 1, verdict: "InternalError" } }])
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(typesOf(yield* seen), ["ended"])
    }).pipe(Effect.provide(service()))
  )

  it.effect("end with an update when the service shuts down: with the result, or with none", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const store = yield* ExecutionStore
      const theirs = ExecutionId.make("exec_theirs")
      const execution = { executionId: theirs, userId: ann, state: "running", startedAt: 0 } as const
      yield* store.append([{ _tag: "Began", execution }])
      const own = yield* reading(sandboxes.stream({ code: "x" }))
      const other = yield* reading(sandboxes.updates(theirs))
      const down = yield* Effect.fork(sandboxes.shutdown)
      yield* TestClock.adjust("10 seconds")
      yield* Effect.all([Fiber.join(down), Fiber.join(own.fiber), Fiber.join(other.fiber)])
      assert.strictEqual(resultOf(yield* own.seen).verdict, "Killed")
      assert.deepStrictEqual(typesOf(yield* other.seen), ["closing"])
      const [again] = [...(yield* Stream.runCollect(sandboxes.updates(theirs)))]
      assert.deepStrictEqual([again?.type, String(again?.id)], ["closing", "0-0-0-0-0-0"])
    }).pipe(Effect.provide(service({ program: noisy })))
  )
})
