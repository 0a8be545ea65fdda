import { ThreadPool } from "@bulkhead/threads"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option } from "effect"

interface Answer {
  readonly question: unknown
  readonly thread: number
  readonly data: unknown
}

const programAt = (name: string) => new URL(`./programs/${name}.mjs`, import.meta.url)

const usual = { program: programAt("Obedient"), memoryMB: 16, threads: 1, timeToLive: "1 minute" } as const

const pool = (options: Partial<ThreadPool.ThreadPoolOptions> = {}) =>
  ThreadPool.make<unknown, Answer>({ ...usual, ...options })

const askIn = (
  { get }: ThreadPool.ThreadPool<unknown, Answer>,
  question: unknown,
  within: ThreadPool.ThreadPoolOptions["timeToLive"] = "20 seconds"
) => Effect.scoped(Effect.flatMap(get, ({ ask }) => ask(question, within)))

const answerIn = (threads: ThreadPool.ThreadPool<unknown, Answer>) =>
  Effect.map(askIn(threads, "harmless"), Option.getOrThrow)

describe("a pool of threads", () => {
  it.scopedLive("answers by the same thread, with the program's data", () =>
    Effect.gen(function* () {
      const threads = yield* pool({ workerData: { rules: 3 } })
      const first = yield* answerIn(threads)
      assert.deepInclude(first, { question: "harmless", data: { rules: 3 } })
      assert.strictEqual((yield* answerIn(threads)).thread, first.thread)
    })
  )

  it.scopedLive("takes over buffers that are handed over", () =>
    Effect.gen(function* () {
      const { get } = yield* pool()
      const bytes = new Uint8Array([1, 2, 3])
      const { ask } = yield* get
      const answer = Option.getOrThrow(yield* ask(bytes, "20 seconds", [bytes.buffer]))
      assert.deepStrictEqual(answer.question, new Uint8Array([1, 2, 3]))
      assert.strictEqual(bytes.byteLength, 0)
    })
  )

  it.scopedLive("ends a thread that does not answer in time, and starts another", () =>
    Effect.gen(function* () {
      const threads = yield* pool()
      const { thread } = yield* answerIn(threads)
      assert.isTrue(Option.isNone(yield* askIn(threads, "hang", "100 millis")))
      assert.notStrictEqual((yield* answerIn(threads)).thread, thread)
    })
  )

  it.scopedLive("ends a thread that nobody waits for any more, and starts another", () =>
    Effect.gen(function* () {
      const threads = yield* pool()
      const { thread } = yield* answerIn(threads)
      const asked = yield* Deferred.make<void>()
      const asking = Effect.flatMap(threads.get, ({ ask }) =>
        Effect.zipRight(Deferred.succeed(asked, undefined), ask("hang", "1 minute"))
      )
      const fiber = yield* Effect.fork(Effect.scoped(asking))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      assert.notStrictEqual((yield* answerIn(threads)).thread, thread)
    })
  )

  for (const [question, reason, said] of [
    ["grow", "OutOfMemory", /memory limit/],
    ["fail", "Failed", /a fault of the program/],
    ["leave", "Failed", /exited with code 3/]
  ] as const)
    it.scopedLive(`says how it lost a thread, and starts another: ${question}`, () =>
      Effect.gen(function* () {
        const threads = yield* pool()
        const lost = yield* Effect.flip(askIn(threads, question))
        assert.strictEqual(lost.reason, reason)
        assert.match(String(lost.cause), said)
        assert.strictEqual((yield* answerIn(threads)).question, "harmless")
      })
    )

  it.scopedLive("goes on after a thread that it had from the beginning was lost", () =>
    Effect.gen(function* () {
      const threads = yield* pool({ minThreads: 1 })
      const { thread } = yield* answerIn(threads)
      assert.strictEqual((yield* Effect.flip(askIn(threads, "fail"))).reason, "Failed")
      assert.notStrictEqual((yield* answerIn(threads)).thread, thread)
    })
  )

  it.scopedLive("says that its program is not there", () =>
    Effect.gen(function* () {
      const threads = yield* pool({ program: programAt("Nowhere"), minThreads: 1 })
      for (let round = 0; round < 3; round++) {
        const lost = yield* Effect.flip(askIn(threads, "harmless"))
        assert.strictEqual(lost.reason, "Failed")
        assert.match(String(lost.cause), /Cannot find module/)
      }
    })
  )

  it.scopedLive("answers as many at once as it has threads, and no more", () =>
    Effect.gen(function* () {
      const threads = yield* pool({ threads: 2 })
      const answers = yield* Effect.forEach(Array.from({ length: 12 }), () => answerIn(threads), {
        concurrency: "unbounded"
      })
      assert.isAtMost(new Set(answers.map(({ thread }) => thread)).size, 2)
    })
  )
})
