import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { onEach } from "./Databases.js"

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
})
