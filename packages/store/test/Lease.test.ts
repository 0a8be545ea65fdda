import { ExecutionStore } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { SqlClient, SqlError } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Ref, Schedule, TestClock } from "effect"
import { Lease, type SqlExecutionStore } from "../src/index.js"
import * as Sightings from "../src/Lease/Sightings.js"
import { type Database, onEach, sqliteAt, storeIn, temporaryDirectory } from "./Databases.js"

const { began, ended, happened, id, put, summary } = Entries

describe("Sightings", () => {
  const row = (renewals: number, holder = "h") => ({ instance: "a", holder, renewals })
  const after = (...looks: ReadonlyArray<readonly [at: number, row: Sightings.LeaseRow]>) =>
    looks.reduce((before, [at, row]) => Sightings.look(before, [row], at, 5), Sightings.none)
  const isUnrenewed = (sightings: Sightings.Sightings) => Sightings.unrenewed(sightings, 10).length === 1

  it("of a lease that does not change for the whole time show that it is unrenewed", () => {
    assert.isFalse(isUnrenewed(after([100, row(1)], [104, row(1)], [109, row(1)])))
    assert.isTrue(isUnrenewed(after([100, row(1)], [105, row(1)], [110, row(1)])))
  })

  it("of a renewal, or of another holder, begin anew", () => {
    assert.isFalse(isUnrenewed(after([100, row(1)], [105, row(2)], [110, row(2)])))
    assert.isFalse(isUnrenewed(after([100, row(1)], [105, row(1, "i")], [110, row(1, "i")])))
  })

  it("say nothing of a time in which nobody could look", () => {
    assert.isFalse(isUnrenewed(after([100, row(1)], [200, row(1)])))
    assert.isTrue(isUnrenewed(after([100, row(1)], [200, row(1)], [205, row(1)], [210, row(1)])))
  })
})

const often = { times: 1000, schedule: Schedule.spaced("20 millis") }

/** A life of an instance, for as long as the scope is open. */
const life = (database: Database, options: SqlExecutionStore.SqlExecutionStoreOptions) =>
  Layer.build(storeIn(database, { duration: "500 millis", ...options }))

/** A life that is over without having given back its lease, as after SIGKILL. */
const killed = (
  database: Database,
  options: SqlExecutionStore.SqlExecutionStoreOptions,
  use: Effect.Effect<unknown, unknown, ExecutionStore>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const services = yield* life(database, options)
      yield* Effect.provide(use, services)
      const sql = Context.get(services, SqlClient.SqlClient)
      // What its end gives back is another's.
      yield* Effect.addFinalizer(() =>
        Effect.orDie(sql.withTransaction(sql`UPDATE leases SET holder = 'the dead' WHERE holder = 'alive'`))
      )
    })
  )

/** A database in which nothing can be written while it is so. */
const breakable = (sql: SqlClient.SqlClient, isBroken: Ref.Ref<boolean>): SqlClient.SqlClient =>
  Object.assign((...given: Parameters<SqlClient.SqlClient>) => sql(...given), sql, {
    withTransaction: <R, E, A>(effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(Ref.get(isBroken), (broken) =>
        broken
          ? Effect.fail(new SqlError.SqlError({ cause: "broken", message: "broken" }))
          : sql.withTransaction(effect)
      )
  }) as SqlClient.SqlClient

it.scoped("A lease that could not be renewed is renewed soon after that can be done", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const isBroken = yield* Ref.make(false)
    const renewals = Effect.map(
      sql<{ renewals: number }>`SELECT renewals FROM leases`,
      ([row]) => row?.renewals
    )
    yield* Effect.provideService(
      Layer.build(Lease.layer({ duration: "15 seconds" })),
      SqlClient.SqlClient,
      breakable(sql, isBroken)
    )
    yield* TestClock.adjust("3 seconds")
    assert.strictEqual(yield* renewals, 1)
    yield* Ref.set(isBroken, true)
    yield* TestClock.adjust("4 seconds")
    assert.strictEqual(yield* renewals, 1)
    yield* Ref.set(isBroken, false)
    yield* TestClock.adjust("500 millis")
    assert.strictEqual(yield* renewals, 2)
  }).pipe(
    Effect.provide(
      Layer.unwrapScoped(Effect.map(temporaryDirectory, (directory) => sqliteAt(directory).open()))
    )
  )
)

onEach("A lease", (kind) => {
  it.scopedLive("is given back at the end, so that the next life need not wait", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const opened = Effect.scoped(life(database, { duration: "1 hour" }))
      yield* opened
      yield* Effect.timeout(opened, "20 seconds")
    })
  )

  it.scopedLive("that is renewed lets no second life begin", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      yield* life(database, { instance: "one" })
      const failure = yield* Effect.flip(Effect.scoped(life(database, { instance: "one" })))
      assert.strictEqual(failure._tag, "InstanceInUse")
      yield* Effect.scoped(life(database, { instance: "two" }))
    })
  )

  it.scopedLive(
    "that nobody renews is over after its time, or at once when its holder is known to be dead",
    () =>
      Effect.gen(function* () {
        const database = yield* Effect.orDie(kind.make)
        const dead = killed(database, { holder: "alive" }, Effect.void)
        yield* dead
        yield* Effect.scoped(life(database, {}))
        yield* dead
        const isDead = (holder: string) => holder === "the dead"
        yield* Effect.timeout(Effect.scoped(life(database, { duration: "1 hour", isDead })), "20 seconds")
      })
  )

  it.scopedLive("that was taken away is lost: its life refuses work, and writes nothing more", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const first = yield* life(database, { holder: "first" })
      yield* Effect.provide(put(began("a")), first)
      assert.deepStrictEqual([...(yield* Context.get(first, Lease.Lease).holders)], ["first"])
      yield* life(database, { isDead: (holder) => holder === "first" })
      const { holders } = Context.get(first, Lease.Lease)
      assert.isFalse((yield* holders).has("first"))
      const lost = yield* Effect.flip(Context.get(first, Lease.Lease).lost)
      assert.strictEqual(lost._tag, "LeaseLost")
      assert.isTrue(Option.isNone(yield* Effect.option(Effect.provide(put(began("b")), first))))
    })
  )

  it.scopedLive("that could not be renewed for its time lets no work begin until it is", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const services = yield* life(database, {})
      const store = Context.get(services, ExecutionStore)
      const sql = Context.get(services, SqlClient.SqlClient)
      yield* store.ready
      yield* sql.withTransaction(sql`ALTER TABLE leases RENAME TO hidden`)
      yield* Effect.retry(Effect.flip(store.ready), often)
      yield* sql.withTransaction(sql`ALTER TABLE hidden RENAME TO leases`)
      yield* Effect.retry(store.ready, often)
    })
  )

  it.scopedLive("that is over leaves executions, which one other instance ends, in the right order", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const work = put(began("a"), happened("a"), happened("a", "signal_sent"), began("b"), ended("b"))
      yield* killed(database, { instance: "gone", holder: "alive" }, work)
      const others = yield* Effect.forEach(["one", "two"], (instance) => life(database, { instance }))
      yield* Effect.forEach(others, (services) => Effect.provide(put(began("a")), services))
      const unfinished = Effect.forEach(
        others,
        (services) =>
          Effect.map(Context.get(services, ExecutionStore).unfinished, (items) => ({ services, items })),
        { concurrency: 2 }
      ).pipe(Effect.map((found) => found.filter(({ items }) => items.length > 0)))
      assert.deepStrictEqual(yield* unfinished, [])
      const found = yield* Effect.retry(
        Effect.filterOrFail(
          unfinished,
          (found) => found.length > 0,
          () => "nothing yet" as const
        ),
        often
      )
      assert.deepStrictEqual(
        found.map(({ items }) => items),
        [[summary("a")]]
      )
      assert.deepStrictEqual(yield* unfinished, [])
      const { services } = found[0] ?? assert.fail("nobody was given it")
      const store = Context.get(services, ExecutionStore)
      yield* Effect.provide(put(happened("a", "execution_failed")), services)
      const first = yield* store.events(id("a"), { limit: 2 })
      const second = yield* store.events(id("a"), { limit: 9, cursor: first.nextCursor ?? "" })
      assert.deepStrictEqual(
        [...first.items, ...second.items].map(({ event }) => event as string),
        ["execution_started", "signal_sent", "execution_failed"]
      )
    })
  )
})
