import { ExecutionStore } from "@bulkhead/sandbox"
import { Entries, ExecutionStoreConformance } from "@bulkhead/testing/conformance"
import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { freshStore, kinds, onEach, storeIn } from "./Databases.js"

const { began, ended, happened, id, put, result, summary } = Entries

for (const kind of kinds)
  ExecutionStoreConformance.suite(`SqlExecutionStore on ${kind.name}`, freshStore(kind), {
    durable: Effect.map(kind.make, (database) => storeIn(database)),
    timeout: 60_000
  })

onEach("SqlExecutionStore", (kind) => {
  it.scopedLive("has everything when it is opened again, and goes on with the same chain", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const first = Effect.gen(function* () {
        yield* put(began("a"), happened("a"), ended("a", { result: result("a") }))
        return yield* (yield* ExecutionStore).verify
      })
      const second = Effect.gen(function* () {
        const store = yield* ExecutionStore
        assert.deepStrictEqual(Option.getOrThrow(yield* store.find(id("a"))).result, result("a"))
        yield* put(began("b"), happened("b"))
        return yield* store.verify
      })
      const before = yield* Effect.provide(first, storeIn(database))
      const after = yield* Effect.provide(second, storeIn(database))
      assert.deepStrictEqual([before.intact, before.checked], [true, 1])
      assert.deepStrictEqual([after.intact, after.checked], [true, 2])
      assert.notStrictEqual(after.head, before.head)
    })
  )

  it.scopedLive("gives what an earlier life of the same instance began and never ended", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const earlier = put(began("a"), began("b", { startedAt: 5 }), began("c"), ended("c"))
      yield* Effect.provide(earlier, storeIn(database, { instance: "one" }))
      const now = Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(began("mine"))
        const unfinished = yield* store.unfinished
        assert.deepStrictEqual(unfinished, [summary("b", { startedAt: 5 }), summary("a")])
        yield* put(happened("a", "execution_failed"), ended("a"), ended("b"))
        assert.deepStrictEqual(yield* store.unfinished, [])
      })
      yield* Effect.provide(now, storeIn(database, { instance: "one" }))
    })
  )

  it.scopedLive("keeps the chains of two instances apart, and shows the executions of both", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const work = (name: string) =>
        Effect.gen(function* () {
          const store = yield* ExecutionStore
          yield* Effect.forEach(
            Array.from({ length: 50 }, (_, index) => `${name}${index}`),
            (each) => put(began(each), happened(each), ended(each))
          )
          const { chains } = yield* store.verify
          const own = chains.find(({ instance }) => instance === name)
          assert.deepInclude(own, { instance: name, intact: true, checked: 50 })
        }).pipe(Effect.provide(storeIn(database, { instance: name })))
      yield* Effect.all([work("one"), work("two")], { concurrency: 2 })
      const all = Effect.flatMap(ExecutionStore, (store) => store.list({ limit: 1000 }))
      const { items } = yield* Effect.provide(all, storeIn(database, { instance: "three" }))
      assert.strictEqual(items.length, 100)
    })
  )

  it.scopedLive("verifies the chains of all instances, and says which of them is broken", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const work = (instance: string) =>
        Effect.provide(put(began(instance), happened(instance)), storeIn(database, { instance }))
      yield* Effect.forEach(["one", "two", "three"], work)
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* ExecutionStore
        const before = yield* store.verify
        assert.deepInclude(before, { intact: true, checked: 3 })
        assert.deepStrictEqual(
          before.chains.map(({ checked, instance }) => [instance, checked]),
          [
            ["new", 0],
            ["one", 1],
            ["three", 1],
            ["two", 1]
          ]
        )
        yield* sql.withTransaction(sql`UPDATE events SET hash = 'x' WHERE instance = 'two'`)
        yield* sql.withTransaction(sql`DELETE FROM chains WHERE instance = 'three'`)
        const after = yield* store.verify
        assert.deepInclude(after, {
          intact: false,
          broken: { instance: "three", sequence: 1, kind: "changed" }
        })
        assert.deepStrictEqual(
          after.chains.map(({ instance, intact }) => [instance, intact]),
          [
            ["new", false],
            ["one", true],
            ["three", false],
            ["two", false]
          ]
        )
      })
      yield* Effect.provide(body, storeIn(database, { instance: "new" }))
    })
  )

  it.scopedLive("lets only the latest life of an instance write", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        yield* put(began("a"), happened("a"))
        yield* Effect.provide(put(began("b"), happened("b")), storeIn(database, { isDead: () => true }))
        const failure = yield* Effect.flip(put(began("c"), happened("c")))
        assert.strictEqual(failure._tag, "StoreFailure")
        const verdict = yield* (yield* ExecutionStore).verify
        assert.deepStrictEqual([verdict.intact, verdict.checked], [true, 2])
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("keeps what belongs together whole or not at all", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* ExecutionStore
        yield* put(began("a"), happened("a"))
        // The last statement of a group fails, so nothing of it may be there.
        yield* sql.withTransaction(sql`ALTER TABLE artifacts RENAME TO hidden`)
        yield* Effect.flip(put(began("b"), happened("b"), ended("b", { result: result("b") })))
        assert.isTrue(Option.isNone(yield* store.find(id("b"))))
        assert.deepStrictEqual(yield* store.events(id("b"), {}), { items: [] })
        yield* sql.withTransaction(sql`ALTER TABLE hidden RENAME TO artifacts`)
        yield* Effect.eventually(Effect.zipRight(Effect.sleep(5), store.commit))
        assert.strictEqual(Option.getOrThrow(yield* store.find(id("b"))).state, "ended")
        const verdict = yield* store.verify
        assert.deepStrictEqual([verdict.intact, verdict.checked], [true, 2])
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("keeps the artifacts' metadata", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* put(began("a"), ended("a", { result: result("a") }))
        const rows = yield* sql`SELECT execution_id, name, sha256 FROM artifacts`
        assert.deepStrictEqual(
          rows.map((row) => ({ ...row })),
          [{ execution_id: "exec_a", name: "out.csv", sha256: "ab" }]
        )
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("keeps an event whose data cannot be written as JSON, without the data", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(began("a"), happened("a", "signal_sent", { big: 1n }))
        const { items } = yield* store.events(id("a"), {})
        assert.deepStrictEqual(items[0]?.data, { unreadable: true })
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("uses an index for one execution's events and for the list", () =>
    Effect.gen(function* () {
      if (kind.name !== "SQLite") return
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const plan = (query: string) =>
          Effect.map(sql.unsafe<{ detail: string }>(`EXPLAIN QUERY PLAN ${query}`), (rows) =>
            rows.map(({ detail }) => detail).join("; ")
          )
        const events = yield* plan("SELECT * FROM events WHERE execution_id = 'a' LIMIT 9")
        assert.include(events, "events_by_execution")
        const list = yield* plan(
          `SELECT * FROM executions WHERE (started_at, execution_id) < (9, 'a')
            ORDER BY started_at DESC, execution_id DESC LIMIT 9`
        )
        assert.include(list, "executions_by_start")
        assert.notInclude(list, "TEMP B-TREE")
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )
})
