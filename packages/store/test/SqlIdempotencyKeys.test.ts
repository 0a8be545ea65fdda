import { IdempotencyKeys } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Retention, SqlIdempotencyKeys } from "../src/index.js"
import { type Database, onEach, storeIn, undoLaterTables } from "./Databases.js"

const { began, ended, id, put, user } = Entries

const request = (execution: string, fingerprint = "f1", name = "ann") => ({
  userId: user(name),
  key: "k1",
  fingerprint,
  executionId: id(execution)
})

/** A store that takes over from an earlier life of its instance. */
const store = (database: Database, instance: string) =>
  storeIn(database, { instance, holder: instance, isDead: (holder) => holder === instance })

/** The keys of a server that has just been started, and runs for as long as the scope lives. */
const started = (database: Database, instance: string) =>
  Effect.map(
    Layer.build(
      Layer.fresh(Layer.provideMerge(SqlIdempotencyKeys.layer({ instance }), store(database, instance)))
    ),
    (context) => {
      const { claim, release } = Context.get(context, IdempotencyKeys)
      /** What a server does when it does not find the holder's execution in the store. */
      const takeOver = (holder: string, execution: string) =>
        Effect.zipRight(release(request(holder)), claim(request(execution)))
      return { claim, release, takeOver, refuse: (name: string) => Effect.provide(refused(name), context) }
    }
  )

const refused = (name: string) => put(began(name), ended(name, { verdict: "Rejected" }))

onEach("SqlIdempotencyKeys", (kind) => {
  it.scopedLive("gives a key to exactly one of many, and tells the others whose it is", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const keys = yield* IdempotencyKeys
        const claims = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => `n${index}`),
          (name) => keys.claim(request(name)),
          { concurrency: "unbounded" }
        )
        const [holder] = claims
        assert(holder)
        for (const claim of claims) assert.deepStrictEqual(claim, holder)
        assert.deepStrictEqual(yield* keys.claim(request("x", "f2")), holder)
        const bobs = request("x", "f1", "bob")
        assert.deepStrictEqual(yield* keys.claim(bobs), bobs)
        yield* keys.release(request("not-mine", "f1", "bob"))
        assert.deepStrictEqual(yield* keys.claim(request("y", "f1", "bob")), bobs)
        yield* keys.release(bobs)
        const next = request("y", "f1", "bob")
        assert.deepStrictEqual(yield* keys.claim(next), next)
        yield* Retention.run({ maxKeyAge: -1 })
        assert.deepStrictEqual(yield* keys.claim(request("z")), request("z"))
      })
      yield* Effect.provide(body, Layer.provideMerge(SqlIdempotencyKeys.layer(), database.open()))
    })
  )

  it.scopedLive(
    "takes no key from another server that may be about to run it, until that has given it back",
    () =>
      Effect.gen(function* () {
        const database = yield* Effect.orDie(kind.make)
        const one = yield* started(database, "one")
        const two = yield* started(database, "two")
        yield* one.claim(request("a"))
        assert.deepStrictEqual(yield* two.takeOver("a", "b"), request("a"))
        yield* one.release(request("a"))
        assert.deepStrictEqual(yield* two.claim(request("b")), request("b"))
      })
  )

  it.scopedLive("takes a key from a server that has been started again since, whoever asks", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      yield* Effect.scoped(Effect.flatMap(started(database, "one"), ({ claim }) => claim(request("a"))))
      const two = yield* started(database, "two")
      assert.deepStrictEqual(yield* two.takeOver("a", "b"), request("a"))
      const one = yield* started(database, "one")
      assert.deepStrictEqual(yield* two.takeOver("a", "b"), request("b"))
      yield* two.release(request("b"))
      yield* Effect.scoped(Effect.flatMap(started(database, "two"), ({ claim }) => claim(request("c"))))
      const again = yield* started(database, "two")
      assert.deepStrictEqual(yield* again.takeOver("c", "d"), request("d"))
      assert.deepStrictEqual(yield* one.takeOver("d", "e"), request("d"))
    })
  )

  it.scopedLive("takes its own key again, and one whose execution was refused, from whomever", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const one = yield* started(database, "one")
      const two = yield* started(database, "two")
      yield* one.claim(request("a"))
      assert.deepStrictEqual(yield* one.takeOver("a", "b"), request("b"))
      yield* one.refuse("b")
      assert.deepStrictEqual(yield* two.takeOver("b", "c"), request("c"))
    })
  )

  it.scopedLive("gives a key to one of those who ask while it is given back", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const one = yield* started(database, "one")
      const two = yield* started(database, "two")
      const takeTurns = ({ claim, release }: typeof one, name: string) =>
        Effect.forEach(
          Array.from({ length: 300 }, (_, turn) => request(`${name}${turn}`)),
          (wanted) =>
            Effect.flatMap(claim(wanted), (holder) =>
              holder.executionId === wanted.executionId ? release(wanted) : Effect.void
            ),
          { discard: true }
        )
      yield* Effect.all([takeTurns(one, "a"), takeTurns(two, "b"), takeTurns(two, "c")], {
        concurrency: "unbounded"
      })
    })
  )

  it.scopedLive("keeps the key of an execution that retention has removed", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const instance = "one"
      const body = Effect.gen(function* () {
        const { claim, release } = yield* IdempotencyKeys
        yield* claim(request("a"))
        yield* put(began("a"), ended("a"))
        assert.strictEqual((yield* Retention.run({ maxAge: 1, maxKeyAge: 1 })).executions, 1)
        yield* release(request("a"))
        assert.deepStrictEqual(yield* claim(request("b")), request("a"))
      })
      const store = storeIn(database, { instance })
      yield* Effect.provide(body, Layer.provideMerge(SqlIdempotencyKeys.layer({ instance }), store))
    })
  )

  it.scopedLive("takes no key that an earlier version claimed, since it did not write down for whom", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const asBefore = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`DROP INDEX idempotency_keys_by_execution`
        yield* sql`ALTER TABLE idempotency_keys DROP COLUMN instance`
        yield* sql`ALTER TABLE idempotency_keys DROP COLUMN life`
        yield* sql`DROP TABLE leases`
        yield* undoLaterTables
        yield* sql`DELETE FROM bulkhead_migrations WHERE migration_id >= 2`
        yield* sql`INSERT INTO idempotency_keys ${sql.insert({
          user_id: "ann",
          idempotency_key: "k1",
          fingerprint: "f1",
          execution_id: id("a"),
          created_at: 0
        })}`
      })
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(asBefore)).pipe(
        Effect.provide(database.open())
      )
      const one = yield* started(database, "one")
      assert.deepStrictEqual(yield* one.takeOver("a", "b"), request("a"))
    })
  )
})
