import { type SqlConnection, SqlError } from "@effect/sql"
import { Effect, type Scope, Stream } from "effect"
import Database from "libsql"

type Prepared = ReturnType<Database.Database["prepare"]>

/** Longer statements are those with many rows; to prepare them costs little beside running them, and there are too many to keep. */
const longestKept = 2000
const mostKept = 200

const preparing = (database: Database.Database) => {
  const kept = new Map<string, Prepared>()
  return (sql: string): Prepared => {
    const found = kept.get(sql)
    if (found) return found
    const made = database.prepare(sql)
    if (sql.length > longestKept) return made
    if (kept.size >= mostKept) kept.clear()
    kept.set(sql, made)
    return made
  }
}

const isRollback = (sql: string) => sql === "ROLLBACK"

/**
 * One connection to a SQLite file, for as long as the scope lives. Every call blocks until it is done. A failed statement of a transaction's own
 * (`BEGIN`, `COMMIT`) leaves none open, and a rollback succeeds also when SQLite has rolled back by itself, as it does on a full disk.
 *
 * It stands in for `@effect/sql-libsql`, whose transactions each abandon their connection and go on with a new one that has lost
 * its settings, and which prepares every statement anew.
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
      // To the end also where that takes many steps, as with incremental_vacuum.
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
