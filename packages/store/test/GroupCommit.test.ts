import { type Entry, StoreFailure } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Queue, Scope, TestClock } from "effect"
import * as GroupCommit from "../src/Executions/GroupCommit.js"
import { began, happened } from "./StoreSuite.js"

/** One try to keep a group, which the test answers. */
interface Try {
  readonly entries: ReadonlyArray<Entry>
  readonly answer: Deferred.Deferred<void, StoreFailure>
}

const fixture = Effect.fnUntraced(function* (
  options: GroupCommit.GroupCommitOptions = {},
  answersAtEnd = true
) {
  const tries = yield* Queue.unbounded<Try>()
  const commits = yield* GroupCommit.make(
    {
      prepare: (entries) => entries,
      keep: (entries: ReadonlyArray<Entry>) =>
        Effect.gen(function* () {
          const answer = yield* Deferred.make<void, StoreFailure>()
          yield* Queue.offer(tries, { entries, answer })
          yield* Deferred.await(answer)
        })
    },
    options
  )
  const kept = ({ answer }: Try) => Deferred.succeed(answer, undefined)
  const answerAll = Effect.forkDaemon(Effect.forever(Effect.flatMap(Queue.take(tries), kept)))
  if (answersAtEnd) yield* Effect.addFinalizer(() => answerAll)
  const fails = ({ answer }: Try) => Deferred.fail(answer, new StoreFailure({ message: "disk full" }))
  return { ...commits, next: Queue.take(tries), tries, kept, fails }
})

const isPending = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) =>
  Effect.map(Fiber.poll(fiber), (exit) => exit._tag === "None")

describe("GroupCommit", () => {
  it.scoped("keeps nobody waiting when there is nothing to keep", () =>
    Effect.gen(function* () {
      const { commit, append } = yield* fixture()
      yield* commit
      yield* append([])
      yield* commit
    })
  )

  it.scoped("lets a commit wait for the group with everything before it, and for no more", () =>
    Effect.gen(function* () {
      const { commit, kept, next, append } = yield* fixture()
      yield* append([began("a")])
      const first = yield* Effect.fork(commit)
      const one = yield* next
      yield* append([began("b")])
      yield* append([began("c"), happened("c")])
      const second = yield* Effect.fork(commit)
      const third = yield* Effect.fork(commit)
      yield* Effect.yieldNow()
      assert.isTrue(yield* isPending(first))
      yield* kept(one)
      yield* Fiber.join(first)
      const two = yield* next
      assert.deepStrictEqual(two.entries, [began("b"), began("c"), happened("c")])
      assert.isTrue(yield* isPending(second))
      yield* kept(two)
      yield* Fiber.join(second)
      yield* Fiber.join(third)
    })
  )

  it.scoped("keeps what nobody waits for together, once the first of it has lingered", () =>
    Effect.gen(function* () {
      const { kept, next, tries, append } = yield* fixture({ linger: "20 millis" })
      yield* append([began("a")])
      yield* TestClock.adjust("15 millis")
      yield* append([happened("a")])
      yield* TestClock.adjust("4 millis")
      assert.strictEqual(yield* Queue.size(tries), 0)
      yield* TestClock.adjust("1 millis")
      const group = yield* next
      assert.deepStrictEqual(group.entries, [began("a"), happened("a")])
      yield* kept(group)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Queue.size(tries), 0)
    })
  )

  it.scoped("takes what lingers along with a commit, and lets the next entry linger as long", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      const { commit, kept, next, tries, append } = yield* fixture({ linger: "20 millis" })
      yield* append([began("a")])
      yield* TestClock.adjust("15 millis")
      yield* append([happened("a")])
      const waiting = yield* Effect.fork(commit)
      const group = yield* next
      assert.deepStrictEqual(group.entries, [began("a"), happened("a")])
      yield* kept(group)
      yield* Fiber.join(waiting)
      yield* append([began("b")])
      yield* TestClock.adjust("19 millis")
      assert.strictEqual(yield* Queue.size(tries), 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* next).entries, [began("b")])
    })
  )

  it.scoped("hurries nothing for a commit that waits for the group that is being kept", () =>
    Effect.gen(function* () {
      const { commit, kept, next, tries, append } = yield* fixture({ linger: "20 millis" })
      yield* append([began("a")])
      const first = yield* Effect.fork(commit)
      const group = yield* next
      const second = yield* Effect.fork(commit)
      yield* Effect.yieldNow()
      yield* append([began("b")])
      yield* kept(group)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      yield* TestClock.adjust("19 millis")
      assert.strictEqual(yield* Queue.size(tries), 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* next).entries, [began("b")])
    })
  )

  it.scoped("keeps a full group at once, and lets what is left over linger", () =>
    Effect.gen(function* () {
      const { kept, next, tries, append } = yield* fixture({ groupSize: 2, linger: "20 millis" })
      for (const name of ["a", "b", "c"]) yield* append([began(name)])
      const full = yield* next
      assert.deepStrictEqual(full.entries, [began("a"), began("b")])
      yield* kept(full)
      yield* TestClock.adjust("19 millis")
      assert.strictEqual(yield* Queue.size(tries), 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* next).entries, [began("c")])
    })
  )

  it.scoped("keeps what is left over at once when somebody waits for it", () =>
    Effect.gen(function* () {
      const { commit, kept, next, append } = yield* fixture({ groupSize: 2 })
      yield* append([began("before")])
      yield* Effect.fork(commit)
      const before = yield* next
      for (const name of ["a", "b", "c"]) yield* append([began(name)])
      const waiting = yield* Effect.fork(commit)
      yield* Effect.yieldNow()
      yield* kept(before)
      yield* kept(yield* next)
      const rest = yield* next
      assert.deepStrictEqual(rest.entries, [began("c")])
      yield* kept(rest)
      yield* Fiber.join(waiting)
    })
  )

  it.scoped("notices that nothing can be kept also when nobody waits", () =>
    Effect.gen(function* () {
      const { fails, next, ready, append } = yield* fixture()
      yield* append([began("a")])
      yield* TestClock.adjust("50 millis")
      yield* fails(yield* next)
      yield* Effect.yieldNow()
      assert.strictEqual((yield* Effect.flip(ready)).message, "disk full")
    })
  )

  it.scoped("never splits what is written together", () =>
    Effect.gen(function* () {
      const { kept, next, append } = yield* fixture({ groupSize: 3 })
      yield* append([began("a"), happened("a")])
      yield* append([began("b"), happened("b")])
      yield* append([began("c"), happened("c"), happened("c"), happened("c"), happened("c")])
      const sizes: Array<number> = []
      for (let index = 0; index < 3; index++) {
        const group = yield* next
        sizes.push(group.entries.length)
        yield* kept(group)
      }
      assert.deepStrictEqual(sizes, [2, 2, 5])
    })
  )

  it.scoped(
    "fails all commits from the first failure on, tries the same group again, and recovers by itself",
    () =>
      Effect.gen(function* () {
        const { commit, fails, kept, next, tries, append } = yield* fixture()
        yield* append([began("a")])
        const waiting = yield* Effect.fork(commit)
        const first = yield* next
        yield* append([began("b")])
        const alsoWaiting = yield* Effect.fork(commit)
        yield* Effect.yieldNow()
        yield* fails(first)
        assert.strictEqual((yield* Effect.flip(Fiber.join(waiting))).message, "disk full")
        assert.strictEqual((yield* Effect.flip(Fiber.join(alsoWaiting))).message, "disk full")
        assert.strictEqual((yield* Effect.flip(commit)).message, "disk full")
        assert.strictEqual(yield* Queue.size(tries), 0)
        yield* TestClock.adjust("50 millis")
        const again = yield* next
        assert.strictEqual(again.entries, first.entries)
        yield* fails(again)
        yield* TestClock.adjust("100 millis")
        yield* kept(yield* next)
        const rest = yield* next
        assert.deepStrictEqual(rest.entries, [began("b")])
        const recovered = yield* Effect.fork(commit)
        yield* kept(rest)
        yield* Fiber.join(recovered)
      })
  )

  it.scoped("holds so much while it fails, and lets no commit succeed before the rest is kept", () =>
    Effect.gen(function* () {
      const { commit, fails, kept, next, append } = yield* fixture({ maxBuffered: 3 * 512 })
      yield* append([began("a")])
      const waiting = yield* Effect.fork(commit)
      yield* fails(yield* next)
      yield* Effect.flip(Fiber.join(waiting))
      yield* append([began("b"), began("c")])
      yield* append([began("lost")])
      yield* TestClock.adjust("50 millis")
      yield* kept(yield* next)
      const rest = yield* next
      assert.deepStrictEqual(rest.entries, [began("b"), began("c")])
      assert.strictEqual((yield* Effect.flip(commit)).message, "disk full")
      yield* kept(rest)
      yield* Effect.eventually(commit)
      yield* append([began("d")])
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual((yield* next).entries, [began("d")])
    })
  )

  it.effect("keeps what is left when the scope ends, and fails every commit from then on", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { commit, kept, next, write } = yield* Scope.extend(fixture({ groupSize: 1 }, false), scope)
      yield* append([began("a")])
      yield* next
      yield* append([began("b")])
      const seen: Array<Entry> = []
      const answer = (attempt: Try) => {
        seen.push(...attempt.entries)
        return kept(attempt)
      }
      yield* Effect.fork(Effect.forever(Effect.flatMap(next, answer)))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen, [began("a"), began("b")])
      assert.strictEqual((yield* Effect.flip(commit)).message, "The store is closed")
    })
  )

  it.effect("keeps what lingers when the scope ends, without waiting any longer", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { kept, next, write } = yield* Scope.extend(fixture({}, false), scope)
      yield* append([began("a")])
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      const group = yield* next
      assert.deepStrictEqual(group.entries, [began("a")])
      yield* kept(group)
      yield* Fiber.join(closing)
    })
  )

  it.effect("ends in bounded time, with an answer to everybody, when nothing can be kept", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { commit, next, write } = yield* Scope.extend(fixture({}, false), scope)
      yield* append([began("a")])
      const waiting = yield* Effect.fork(commit)
      yield* next
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* next
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(closing)
      assert.strictEqual((yield* Effect.flip(Fiber.join(waiting))).message, "The store is closed")
    })
  )

  it.scoped("says so when its writer cannot go on", () =>
    Effect.gen(function* () {
      const { commit, write } = yield* GroupCommit.make({
        prepare: (): never => {
          throw new Error("defect")
        },
        keep: () => Effect.void
      })
      yield* append([began("a")])
      assert.strictEqual((yield* Effect.flip(commit)).message, "The store's writer has stopped")
    })
  )
})
