import { type Entry, StoreFailure } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Queue, Ref, Scope, TestClock } from "effect"
import { yieldAt } from "../../sandbox/test/YieldAt.js"
import * as GroupCommit from "../src/Executions/GroupCommit.js"

const { began, happened } = Entries

/** One try to write a group, which the test answers. */
interface Try {
  readonly entries: ReadonlyArray<Entry>
  readonly answer: Deferred.Deferred<void, StoreFailure>
}

const fixture = Effect.fnUntraced(function* (
  options: GroupCommit.GroupCommitOptions = {},
  answersAtEnd = true
) {
  const tries = yield* Queue.unbounded<Try>()
  const groupCommit = yield* GroupCommit.make(
    Effect.fnUntraced(function* (entries: ReadonlyArray<Entry>) {
      const answer = yield* Deferred.make<void, StoreFailure>()
      yield* Queue.offer(tries, { entries, answer })
      yield* Deferred.await(answer)
    }),
    options
  )
  const succeed = ({ answer }: Try) => Deferred.succeed(answer, undefined)
  const fail = ({ answer }: Try) => Deferred.fail(answer, new StoreFailure({ message: "disk full" }))
  const answerAll = Effect.forkDaemon(Effect.forever(Effect.flatMap(Queue.take(tries), succeed)))
  if (answersAtEnd) yield* Effect.addFinalizer(() => answerAll)
  return { ...groupCommit, next: Queue.take(tries), tries, succeed, fail }
})

const isPending = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) =>
  Effect.map(Fiber.poll(fiber), (exit) => exit._tag === "None")

describe("GroupCommit", () => {
  it.scoped("does not wait when there is nothing to write", () =>
    Effect.gen(function* () {
      const { append, commit } = yield* fixture()
      yield* commit
      yield* append([])
      yield* commit
    })
  )

  it.scoped("lets a commit wait for the group with everything before it, and no longer", () =>
    Effect.gen(function* () {
      const { append, commit, next, succeed } = yield* fixture()
      yield* append([began("a")])
      const first = yield* Effect.fork(commit)
      const one = yield* next
      yield* append([began("b")])
      yield* append([began("c"), happened("c")])
      const second = yield* Effect.fork(commit)
      const third = yield* Effect.fork(commit)
      yield* Effect.yieldNow()
      assert.isTrue(yield* isPending(first))
      yield* succeed(one)
      yield* Fiber.join(first)
      const two = yield* next
      assert.deepStrictEqual(two.entries, [began("b"), began("c"), happened("c")])
      assert.isTrue(yield* isPending(second))
      yield* succeed(two)
      yield* Fiber.join(second)
      yield* Fiber.join(third)
    })
  )

  it.scoped("writes what nobody waits for as one group, once the linger time is over", () =>
    Effect.gen(function* () {
      const { append, next, succeed, tries } = yield* fixture({ linger: "20 millis" })
      yield* append([began("a")])
      yield* TestClock.adjust("15 millis")
      yield* append([happened("a")])
      yield* TestClock.adjust("4 millis")
      assert.strictEqual(yield* Queue.size(tries), 0)
      yield* TestClock.adjust("1 millis")
      const group = yield* next
      assert.deepStrictEqual(group.entries, [began("a"), happened("a")])
      yield* succeed(group)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Queue.size(tries), 0)
    })
  )

  it.scoped("writes what lingers at once when somebody commits, and lets the next group linger as long", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      const { append, commit, next, succeed, tries } = yield* fixture({ linger: "20 millis" })
      yield* append([began("a")])
      yield* TestClock.adjust("15 millis")
      yield* append([happened("a")])
      const waiting = yield* Effect.fork(commit)
      const group = yield* next
      assert.deepStrictEqual(group.entries, [began("a"), happened("a")])
      yield* succeed(group)
      yield* Fiber.join(waiting)
      yield* append([began("b")])
      yield* TestClock.adjust("19 millis")
      assert.strictEqual(yield* Queue.size(tries), 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* next).entries, [began("b")])
    })
  )

  it.scoped("lets new entries linger while a commit waits for the group in flight", () =>
    Effect.gen(function* () {
      const { append, commit, next, succeed, tries } = yield* fixture({ linger: "20 millis" })
      yield* append([began("a")])
      const first = yield* Effect.fork(commit)
      const group = yield* next
      const second = yield* Effect.fork(commit)
      yield* Effect.yieldNow()
      yield* append([began("b")])
      yield* succeed(group)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      yield* TestClock.adjust("19 millis")
      assert.strictEqual(yield* Queue.size(tries), 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* next).entries, [began("b")])
    })
  )

  it.scoped("writes a full group at once, and lets the rest linger", () =>
    Effect.gen(function* () {
      const { append, next, succeed, tries } = yield* fixture({ groupSize: 2, linger: "20 millis" })
      for (const name of ["a", "b", "c"]) yield* append([began(name)])
      const full = yield* next
      assert.deepStrictEqual(full.entries, [began("a"), began("b")])
      yield* succeed(full)
      yield* TestClock.adjust("19 millis")
      assert.strictEqual(yield* Queue.size(tries), 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* next).entries, [began("c")])
    })
  )

  it.scoped("writes the rest at once when somebody waits for it", () =>
    Effect.gen(function* () {
      const { append, commit, next, succeed } = yield* fixture({ groupSize: 2 })
      yield* append([began("before")])
      yield* Effect.fork(commit)
      const before = yield* next
      for (const name of ["a", "b", "c"]) yield* append([began(name)])
      const waiting = yield* Effect.fork(commit)
      yield* Effect.yieldNow()
      yield* succeed(before)
      yield* succeed(yield* next)
      const rest = yield* next
      assert.deepStrictEqual(rest.entries, [began("c")])
      yield* succeed(rest)
      yield* Fiber.join(waiting)
    })
  )

  it.scoped("notices also when nobody waits that nothing can be written", () =>
    Effect.gen(function* () {
      const { append, fail, next, ready } = yield* fixture()
      yield* append([began("a")])
      yield* TestClock.adjust("50 millis")
      yield* fail(yield* next)
      const failure = yield* Effect.eventually(Effect.flip(ready))
      assert.strictEqual(failure.message, "disk full")
    })
  )

  it.scoped("never splits what is appended together", () =>
    Effect.gen(function* () {
      const { append, next, succeed } = yield* fixture({ groupSize: 3 })
      yield* append([began("a"), happened("a")])
      yield* append([began("b"), happened("b")])
      yield* append([began("c"), happened("c"), happened("c"), happened("c"), happened("c")])
      const sizes: Array<number> = []
      for (let index = 0; index < 3; index++) {
        const group = yield* next
        sizes.push(group.entries.length)
        yield* succeed(group)
      }
      assert.deepStrictEqual(sizes, [2, 2, 5])
    })
  )

  it.scoped(
    "fails all commits from the first failure on, tries the same group again, and recovers by itself",
    () =>
      Effect.gen(function* () {
        const { append, commit, fail, next, succeed, tries } = yield* fixture()
        yield* append([began("a")])
        const waiting = yield* Effect.fork(commit)
        const first = yield* next
        yield* append([began("b")])
        const alsoWaiting = yield* Effect.fork(commit)
        yield* Effect.yieldNow()
        yield* fail(first)
        assert.strictEqual((yield* Effect.flip(Fiber.join(waiting))).message, "disk full")
        assert.strictEqual((yield* Effect.flip(Fiber.join(alsoWaiting))).message, "disk full")
        assert.strictEqual((yield* Effect.flip(commit)).message, "disk full")
        assert.strictEqual(yield* Queue.size(tries), 0)
        yield* TestClock.adjust("50 millis")
        const again = yield* next
        assert.strictEqual(again.entries, first.entries)
        yield* fail(again)
        yield* TestClock.adjust("100 millis")
        yield* succeed(yield* next)
        yield* TestClock.adjust("50 millis")
        const rest = yield* next
        assert.deepStrictEqual(rest.entries, [began("b")])
        const recovered = yield* Effect.fork(commit)
        yield* succeed(rest)
        yield* Fiber.join(recovered)
      })
  )

  it.scoped("buffers so much while writes fail, and lets no commit succeed before all of it is written", () =>
    Effect.gen(function* () {
      const { append, commit, fail, next, succeed } = yield* fixture({ maxBuffered: 3 * 512 })
      yield* append([began("a")])
      const waiting = yield* Effect.fork(commit)
      yield* fail(yield* next)
      yield* Effect.flip(Fiber.join(waiting))
      yield* append([began("b"), began("c")])
      yield* append([began("lost")])
      yield* TestClock.adjust("50 millis")
      yield* succeed(yield* next)
      yield* TestClock.adjust("50 millis")
      const rest = yield* next
      assert.deepStrictEqual(rest.entries, [began("b"), began("c")])
      assert.strictEqual((yield* Effect.flip(commit)).message, "disk full")
      yield* succeed(rest)
      yield* Effect.eventually(commit)
      yield* append([began("d")])
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual((yield* next).entries, [began("d")])
    })
  )

  it.effect("writes the rest when the scope ends, and fails every commit from then on", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { append, commit, next, succeed } = yield* Scope.extend(fixture({ groupSize: 1 }, false), scope)
      yield* append([began("a")])
      yield* next
      yield* append([began("b")])
      const seen: Array<Entry> = []
      const answer = (attempt: Try) => {
        seen.push(...attempt.entries)
        return succeed(attempt)
      }
      yield* Effect.fork(Effect.forever(Effect.flatMap(next, answer)))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen, [began("a"), began("b")])
      assert.strictEqual((yield* Effect.flip(commit)).message, "The store is closed")
    })
  )

  it.effect("writes what lingers when the scope ends, without waiting any longer", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { append, next, succeed } = yield* Scope.extend(fixture({}, false), scope)
      yield* append([began("a")])
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      const group = yield* next
      assert.deepStrictEqual(group.entries, [began("a")])
      yield* succeed(group)
      yield* Fiber.join(closing)
    })
  )

  it.effect("closes in bounded time, with an answer to everybody, when nothing can be written", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { append, commit, next } = yield* Scope.extend(fixture({}, false), scope)
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

  it.effect("fails a write that takes longer than 30 seconds, and tries it again", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const tries = yield* Ref.make(0)
      const hangsOnce = Effect.flatMap(
        Ref.updateAndGet(tries, (count) => count + 1),
        (count) => (count === 1 ? Effect.never : Effect.void)
      )
      const { append, commit, ready } = yield* Scope.extend(
        GroupCommit.make(() => Effect.uninterruptible(hangsOnce)),
        scope
      )
      yield* append([began("a")])
      const waiting = yield* Effect.fork(commit)
      yield* TestClock.adjust("29 seconds")
      assert.isTrue(yield* isPending(waiting))
      yield* TestClock.adjust("1 second")
      const { cause, message } = yield* Effect.flip(Fiber.join(waiting))
      assert.strictEqual(message, "The store could not be written")
      assert.deepStrictEqual(cause, new Error("no answer within 30s"))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(ready)))
      yield* TestClock.adjust("50 millis")
      yield* Effect.eventually(commit)
      assert.strictEqual(yield* Ref.get(tries), 2)
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.effect("closes in bounded time also when a write cannot be interrupted", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const hangs = Effect.uninterruptible(Effect.never)
      const { append, commit } = yield* Scope.extend(
        GroupCommit.make(() => hangs),
        scope
      )
      yield* append([began("a")])
      const waiting = yield* Effect.fork(commit)
      yield* TestClock.adjust("1 second")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(closing)
      assert.strictEqual((yield* Effect.flip(Fiber.join(waiting))).message, "The store is closed")
    })
  )

  it.effect("writes what was appended wherever the fiber that appends is interrupted", () =>
    Effect.gen(function* () {
      for (let step = 1; step <= 25; step++) {
        const written = yield* Ref.make(0)
        const scope = yield* Scope.make()
        const { append, commit } = yield* Scope.extend(
          GroupCommit.make((entries) => Ref.set(written, entries.length)),
          scope
        )
        const appending = yield* Effect.fork(Effect.withScheduler(append([began("a")]), yieldAt(step)))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(appending)
        yield* TestClock.adjust("50 millis")
        const lingered = yield* Ref.get(written)
        yield* commit
        assert.strictEqual(yield* Ref.get(written), lingered, `interrupted after ${step} steps`)
        yield* Scope.close(scope, Exit.void)
      }
    })
  )

  it.scoped("fails commits when its writer has stopped", () =>
    Effect.gen(function* () {
      const { append, commit } = yield* GroupCommit.make((): never => {
        throw new Error("defect")
      })
      yield* append([began("a")])
      assert.strictEqual((yield* Effect.flip(commit)).message, "The store's writer has stopped")
    })
  )
})
