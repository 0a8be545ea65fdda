import { Announcement, ExecutionStore, Outbox } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Logger, Option } from "effect"
import { withChangedClock } from "../../sandbox/test/ChangedClock.js"
import { Retention } from "../src/index.js"
import { onEach, storeIn, undoLaterTables } from "./Databases.js"

const { announced, began, beganWith, ended, happened, id, put, result, webhook } = Entries
const { messageIdOf } = Announcement

const day = 86_400_000

const artifact = { name: "a.csv", sha256: "ab", mediaType: "text/csv" }

/** An execution that began and ended so many days ago, with so many bytes of output. */
const execution = Effect.fnUntraced(function* (
  name: string,
  days: number,
  live = false,
  output = 0,
  size?: number
) {
  const now = yield* Clock.currentTimeMillis
  const at = now - days * day
  const logged = (event: "execution_queued" | "execution_completed") => {
    const entry = happened(name, event)
    return entry._tag === "Happened" ? { ...entry, event: { ...entry.event, timestamp: at } } : entry
  }
  yield* put(began(name, { startedAt: at }), logged("execution_queued"))
  if (live) return
  const usage = { sandboxMs: 1, vcpuSeconds: 1, gibSeconds: 1, gpuSeconds: 0, artifactBytes: 0, costUsd: 1 }
  const artifacts = size === undefined ? {} : { artifacts: [{ ...artifact, size }] }
  const whole = result(name, { ...(output === 0 ? {} : { stdout: "x".repeat(output) }), ...artifacts })
  yield* put(logged("execution_completed"), ended(name, { endedAt: at + 1, result: whole, usage }))
})

const quick = { pause: 0, step: 3 }

const remaining = Effect.gen(function* () {
  const store = yield* ExecutionStore
  const { items } = yield* store.list({ limit: 1000 })
  return items.map(({ executionId }) => executionId.slice("exec_".length)).toSorted()
})

const assertIntact = Effect.fnUntraced(function* (checked: number) {
  const verdict = yield* (yield* ExecutionStore).verify
  assert.deepStrictEqual([verdict.intact, verdict.checked, verdict.broken], [checked > 0, checked, undefined])
})

onEach("Retention", (kind) => {
  it.scopedLive(
    "removes what is too old with everything that belongs to it, and the rest still verifies",
    () =>
      Effect.gen(function* () {
        const database = yield* Effect.orDie(kind.make)
        const body = Effect.gen(function* () {
          const store = yield* ExecutionStore
          const sql = yield* SqlClient.SqlClient
          for (let index = 0; index < 10; index++) yield* execution(`old${index}`, 20 - index)
          for (let index = 0; index < 3; index++) yield* execution(`young${index}`, 3 - index)
          const emptied: Array<string> = []
          const removeArtifacts = (executionId: string) => Effect.sync(() => void emptied.push(executionId))
          const removed = yield* Retention.run({ maxAge: 10, removeArtifacts, ...quick })
          assert.deepStrictEqual(removed, { executions: 10, events: 20 })
          assert.deepStrictEqual(
            emptied.toSorted(),
            Array.from({ length: 10 }, (_, index) => id(`old${index}`))
          )
          assert.deepStrictEqual(yield* remaining, ["young0", "young1", "young2"])
          assert.isTrue(Option.isNone(yield* store.find(id("old0"))))
          assert.deepStrictEqual(yield* store.events(id("old9"), {}), { items: [] })
          assert.strictEqual((yield* sql`SELECT * FROM artifacts`).length, 3)
          yield* assertIntact(6)
          yield* put(happened("young0"))
          yield* assertIntact(7)
          assert.strictEqual((yield* store.usage({})).items[0]?.executions, 13)
          assert.deepStrictEqual(yield* Retention.run({ maxAge: 10, ...quick }), { executions: 0, events: 0 })
        })
        yield* Effect.provide(body, storeIn(database))
        yield* Effect.provide(assertIntact(7), storeIn(database))
      })
  )

  it.scopedLive("never removes what is live, nor breaks a log in two", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* execution("a", 20)
        yield* execution("live", 19, true)
        yield* execution("b", 18)
        assert.deepStrictEqual(yield* Retention.run({ maxAge: 10, ...quick }), { executions: 2, events: 2 })
        assert.deepStrictEqual(yield* remaining, ["live"])
        assert.strictEqual((yield* store.events(id("live"), {})).items.length, 1)
        yield* assertIntact(3)
        const now = yield* Clock.currentTimeMillis
        yield* put(ended("live", { endedAt: now - 15 * day }))
        assert.deepStrictEqual(yield* Retention.run({ maxAge: 10, ...quick }), { executions: 1, events: 3 })
        yield* assertIntact(0)
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("removes the oldest until what is kept is small enough, and counts down to nothing", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const names = Array.from({ length: 30 }, (_, index) => `n${String(index).padStart(2, "0")}`)
        for (const [index, name] of names.entries()) yield* execution(name, 1 - index / 100)
        const bytes = Effect.map(sql<{ bytes: number | string }>`SELECT bytes FROM chains`, ([row]) =>
          Number(row?.bytes)
        )
        const before = yield* bytes
        yield* Retention.run({ maxBytes: before / 2, ...quick })
        assert.isAtMost(yield* bytes, before / 2)
        const kept = yield* remaining
        assert.isAbove(kept.length, 10)
        assert.deepStrictEqual(kept, names.slice(-kept.length))
        yield* assertIntact(kept.length * 2)
        yield* Retention.run({ maxBytes: 0, ...quick })
        assert.deepStrictEqual(yield* remaining, [])
        // The last one's end came after its beginning, so its last event may stay.
        yield* Retention.run({ maxAge: 0, ...quick })
        assert.strictEqual(yield* bytes, 0)
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("removes no more than it takes to come within the bound", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const names = Array.from({ length: 30 }, (_, index) => `n${String(index).padStart(2, "0")}`)
        for (const [index, name] of names.entries()) yield* execution(name, 1 - index / 100, false, 80_000)
        yield* Retention.run({ maxBytes: 1_048_576, pause: 0 })
        const [row] = yield* sql<{ bytes: number | string }>`SELECT bytes FROM chains`
        assert.isAtMost(Number(row?.bytes), 1_048_576)
        // Twelve fit; one more goes where the events of the last one that was removed are still there.
        const kept = yield* remaining
        assert.isAtLeast(kept.length, 11)
        assert.deepStrictEqual(kept, names.slice(-kept.length))
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("counts artifacts, and removes the oldest with theirs, files first", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const megabyte = 1_048_576
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const bytes = Effect.map(sql<{ bytes: number | string }>`SELECT bytes FROM chains`, ([row]) =>
          Number(row?.bytes)
        )
        for (let index = 0; index < 8; index++)
          yield* execution(`n${index}`, 9 - index, false, 0, 20 * megabyte)
        const emptied: Array<string> = []
        const removeArtifacts = (executionId: string) =>
          Effect.gen(function* () {
            const rows = yield* sql`SELECT * FROM executions WHERE execution_id = ${executionId}`
            assert.strictEqual(
              rows.length,
              1,
              "its files go before it, or nobody would know of them any more"
            )
            emptied.push(executionId)
          })
        yield* Retention.run({ maxBytes: 70 * megabyte, removeArtifacts, ...quick })
        assert.deepStrictEqual(yield* remaining, ["n5", "n6", "n7"])
        assert.deepStrictEqual(emptied, ["n0", "n1", "n2", "n3", "n4"].map(id))
        assert.isBelow(yield* bytes, 61 * megabyte)
        assert.isAbove(yield* bytes, 60 * megabyte)
        // As it was before artifacts counted: the next start counts those that are there.
        const now = yield* bytes
        yield* sql.withTransaction(sql`UPDATE chains SET bytes = bytes - ${60 * megabyte}`)
        yield* sql.withTransaction(
          Effect.zipRight(sql`DELETE FROM bulkhead_migrations WHERE migration_id >= 4`, undoLaterTables)
        )
        return now
      })
      const now = yield* Effect.provide(body, storeIn(database))
      const again = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT bytes FROM chains`)
      const [row] = yield* Effect.provide(again, storeIn(database))
      assert.strictEqual(Number(row?.bytes), now)
    })
  )

  it.scopedLive(
    "removes messages that were delivered or given up when they are old, and none that wait",
    () =>
      Effect.gen(function* () {
        const database = yield* Effect.orDie(kind.make)
        const body = Effect.gen(function* () {
          const outbox = yield* Outbox
          const now = yield* Clock.currentTimeMillis
          for (const name of ["new", "old", "failed", "waits"])
            yield* put(beganWith(name, webhook(name)), ended(name, { endedAt: now }), announced(name))
          const idOf = (name: string) =>
            messageIdOf({ executionId: id(name), event: "execution.completed", at: 0 }, webhook(name).url)
          const settle = (name: string, state: "delivered" | "failed", days: number) =>
            outbox.settle({ messageId: idOf(name), state, attempts: 1, at: now - days * day, words: "" })
          yield* settle("new", "delivered", 0)
          yield* settle("old", "delivered", 2)
          yield* settle("failed", "failed", 2)
          yield* Retention.run(quick)
          const left = (yield* outbox.list({})).items.map(({ url }) => new URL(url).pathname)
          assert.sameMembers(left, ["/new", "/failed", "/waits"])
          yield* Retention.run({ ...quick, maxFailedMessageAge: 1, maxMessageAge: 0 })
          assert.deepStrictEqual(yield* outbox.counts, { pending: 1, failed: 0, delivered: 0 })
        })
        yield* Effect.provide(body, storeIn(database))
      })
  )

  it.scopedLive(
    "leaves those whose files could not be removed for the next time, removes all others, and says so once",
    () =>
      Effect.gen(function* () {
        const database = yield* Effect.orDie(kind.make)
        const body = Effect.gen(function* () {
          const store = yield* ExecutionStore
          // More than one batch of them, before all others.
          const stuck = ["s0", "s1", "s2", "s3"]
          for (const [index, name] of stuck.entries()) yield* execution(name, 30 - index)
          for (let index = 0; index < 5; index++) yield* execution(`n${index}`, 20 - index)
          yield* execution("young", 1)
          const tried: Array<string> = []
          const removeArtifacts = (executionId: string) =>
            Effect.suspend(() => {
              tried.push(executionId)
              return executionId.startsWith("exec_s") ? Effect.fail("EIO") : Effect.void
            })
          const lines: Array<string> = []
          const listening = Logger.replace(
            Logger.defaultLogger,
            Logger.make(({ message }) => void lines.push(String(message)))
          )
          const options = { maxAge: 10, removeArtifacts, ...quick }
          const removed = yield* Effect.provide(Retention.run({ ...options, maxBytes: 1 }), listening)
          assert.deepStrictEqual(removed, { executions: 6, events: 20 })
          assert.deepStrictEqual(yield* remaining, stuck)
          assert.strictEqual(new Set(tried).size, tried.length, "each is tried once in a run")
          assert.deepStrictEqual(lines, [
            `The artifacts of 4 executions, such as ${id("s0")}, could not be removed; the next run tries again,EIO`
          ])
          assert.isTrue(Option.isSome(yield* store.find(id("s0"))))
          yield* assertIntact(0)
          tried.length = 0
          yield* Retention.run(options)
          assert.deepStrictEqual(tried, stuck.map(id))
          yield* Retention.run({ ...options, removeArtifacts: () => Effect.void })
          assert.deepStrictEqual(yield* remaining, [])
        })
        yield* Effect.provide(body, storeIn(database))
      })
  )

  it.scopedLive("removes nothing while no files can be removed and what is kept is too large", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        for (let index = 0; index < 5; index++) yield* execution(`n${index}`, 5 - index)
        const removeArtifacts = () => Effect.fail("EIO")
        const removed = yield* Retention.run({ maxBytes: 1, removeArtifacts, ...quick })
        assert.deepStrictEqual(removed, { executions: 0, events: 0 })
        yield* assertIntact(10)
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("leaves to the next run what it has no patience for, and takes a mistake for a failure", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        for (let index = 0; index < 9; index++) yield* execution(`n${index}`, 20 - index)
        let minutes = 0n
        const onSlowDisk = withChangedClock((clock) => ({
          currentTimeNanos: Effect.map(clock.currentTimeNanos, (nanos) => nanos + minutes * 60_000_000_000n)
        }))
        const tried: Array<string> = []
        const removeArtifacts = (executionId: string) =>
          Effect.suspend(() => {
            tried.push(executionId)
            if (tried.length === 1) return Effect.dieMessage("a mistake")
            minutes++
            return tried.length === 2 ? Effect.void : Effect.fail("no answer")
          })
        const options = { maxAge: 10, removeArtifacts, ...quick }
        const removed = yield* onSlowDisk(Retention.run(options))
        assert.deepStrictEqual(removed, { executions: 1, events: 18 })
        assert.deepStrictEqual(tried, ["n0", "n1", "n2"].map(id))
        yield* Retention.run({ ...options, removeArtifacts: () => Effect.void })
        assert.deepStrictEqual(yield* remaining, [])
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("runs beside writers, and beside verify, without breaking the chain", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const store = yield* ExecutionStore
        const write = Effect.forEach(
          Array.from({ length: 100 }, (_, index) => index),
          (index) => execution(`n${index}`, 5),
          { concurrency: 5 }
        )
        const turn = Effect.sleep(1)
        const remove = Effect.forever(Effect.zipRight(turn, Retention.run({ maxAge: 1, ...quick })))
        const check = Effect.forever(
          Effect.zipRight(
            turn,
            Effect.tap(store.verify, ({ broken }) => assert.isUndefined(broken))
          )
        )
        yield* Effect.raceFirst(write, Effect.raceFirst(remove, check))
        yield* Retention.run({ maxAge: 1, ...quick })
        assert.deepStrictEqual(yield* remaining, [])
        yield* assertIntact(0)
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )
})
