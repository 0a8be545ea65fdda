import { type SqlConnection, SqlError } from "@effect/sql"
import { Effect, type Scope, Stream } from "effect"
import Database from "libsql"

type Prepared = ReturnType<Database.Database["prepare"]>

/** Characters. Longer statements have many rows: there are too many of them, and preparing them is the small part. */
const longestCached = 2000
const mostCached = 200

const preparing = (database: Database.Database) => {
  const cache = new Map<string, Prepared>()
  return (sql: string): Prepared => {
    const cached = cache.get(sql)
    if (cached) return cached
    const prepared = database.prepare(sql)
    if (sql.length > longestCached) return prepared
    if (cache.size >= mostCached) cache.clear()
    cache.set(sql, prepared)
    return prepared
  }
}

const isRollback = (sql: string) => sql === "ROLLBACK"

/**
 * One connection to a SQLite file, closed with the scope. Every call blocks until it is done. When `BEGIN` or `COMMIT`
 * fails, no transaction stays open. A rollback succeeds also when SQLite has rolled back by itself, as on a full disk.
 *
 * Used instead of `@effect/sql-libsql`, which opens a new connection, without the pragmas, after each transaction, and
 * prepares every statement again.
 */
export const make = (
  file: string,
  pragmas: ReadonlyArray<string>
): Effect.Effect<SqlConnection.Connection, SqlError.SqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const database = yield* Effect.acquireRelease(
      Effect.try({
        try: () => new Database(file),
        catch: (cause) => new SqlError.SqlError({ cause, message: "Failed to open the database" })
      }),
      (database) => Effect.sync(() => database.close())
    )
    const prepare = preparing(database)

    const all = <Row>(sql: string, params: ReadonlyArray<unknown>, raw: boolean): ReadonlyArray<Row> => {
      const statement = prepare(sql)
      if (statement.reader) return statement.raw(raw).all(params) as Array<Row>
      // `exec` runs to the end also what takes many steps, like incremental_vacuum.
      if (params.length === 0) database.exec(sql)
      else statement.run(params)
      return []
    }

    const run = <Row extends object>(sql: string, params: ReadonlyArray<unknown>, raw = false) =>
      Effect.try({
        try: () => all<Row>(sql, params, raw),
        catch: (cause) => new SqlError.SqlError({ cause, message: "Failed to execute statement" })
      })

    const rollback = Effect.ignore(run("ROLLBACK", []))

    const execute: SqlConnection.Connection["execute"] = (sql, params, transformRows) =>
      transformRows ? Effect.map(run(sql, params), transformRows) : run(sql, params)

    yield* Effect.forEach(pragmas, (pragma) => run(`PRAGMA ${pragma}`, []), { discard: true })

    return {
      execute,
      executeRaw: (sql, params) => run(sql, params),
      executeValues: (sql, params) => run<Array<unknown>>(sql, params, true),
      executeUnprepared: (sql, params, transformRows) =>
        isRollback(sql)
          ? Effect.as(rollback, [])
          : Effect.tapError(execute(sql, params, transformRows), () => rollback),
      executeStream: (sql, params, transformRows) =>
        Stream.fromIterableEffect(execute(sql, params, transformRows))
    }
  })
