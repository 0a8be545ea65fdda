import { ExecutionStore } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { type Database, onEach, storeIn, undoLaterTables } from "./Databases.js"

const { began, ended, happened, id } = Entries

const inDatabase = <A, E>(database: Database, effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(effect, database.open())

/** The tables as they were before a migration with which older servers cannot go on. */
const beforeBreaking = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql.withTransaction(
    Effect.zipRight(sql`DELETE FROM bulkhead_migrations WHERE migration_id >= 4`, undoLaterTables)
  )
)

const newestOf = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ newest: number }>`SELECT MAX(migration_id) AS newest FROM bulkhead_migrations`
).pipe(Effect.map(([row]) => row?.newest))

onEach("A database", (kind) => {
  it.scopedLive("that a newer version has altered is refused, and stays as it is", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const alter = Effect.flatMap(SqlClient.SqlClient, (sql) =>
        sql.withTransaction(sql`INSERT INTO bulkhead_migrations (migration_id, name) VALUES (1000, 'later')`)
      )
      yield* Effect.provide(alter, database.open())
      const opened = Effect.provide(SqlClient.SqlClient, database.open())
      for (let time = 0; time < 2; time++) {
        const { cause } = yield* Effect.flip(opened)
        assert.match(String(cause), /newer version of the server.*1000/)
      }
    })
  )

  it.scopedLive("to which a newer version adds something serves the older one that runs as before", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const older = Effect.gen(function* () {
        const store = yield* ExecutionStore
        const write = (name: string) =>
          Effect.zipRight(store.append([began(name), happened(name), ended(name)]), store.commit)
        yield* write("before")
        yield* inDatabase(
          database,
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            sql.withTransaction(
              Effect.zipRight(
                sql`ALTER TABLE executions ADD COLUMN later TEXT`,
                sql`INSERT INTO bulkhead_migrations (migration_id, name) VALUES (1000, 'later')`
              )
            )
          )
        )
        yield* write("after")
        for (const name of ["before", "after"])
          assert.strictEqual(Option.getOrThrow(yield* store.find(id(name))).state, "ended")
        assert.deepInclude(yield* store.verify, { intact: true })
      })
      yield* Effect.provide(older, storeIn(database))
    })
  )
})

onEach("A database that cannot be altered beside older servers", (kind) => {
  it.scopedLive(
    "is not begun while one of them gives signs of life, which is named, and is once it has ended",
    () =>
      Effect.gen(function* () {
        const database = yield* Effect.orDie(kind.make)
        const opened = inDatabase(database, newestOf)
        const older = Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* beforeBreaking
          const { cause } = yield* Effect.flip(opened)
          assert.match(
            String(cause),
            /servers of the version before cannot go on, and 'one' of them still run/
          )
          const [row] = yield* sql<{
            newest: number
          }>`SELECT MAX(migration_id) AS newest FROM bulkhead_migrations`
          assert.strictEqual(row?.newest, 3, "nothing is begun")
        })
        yield* Effect.provide(older, storeIn(database, { instance: "one", duration: "1 second" }))
        assert.isAbove((yield* opened) ?? 0, 3)
      })
  )
})
