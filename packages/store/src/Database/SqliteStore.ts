import type { StoreFailure } from "@bulkhead/sandbox"
import * as Reactivity from "@effect/experimental/Reactivity"
import { FileSystem, Path } from "@effect/platform"
import { SqlClient, type SqlConnection, SqlError, Statement } from "@effect/sql"
import { Effect, Layer } from "effect"
import * as DatabaseFile from "./DatabaseFile.js"
import { asStoreFailure } from "./Failures.js"
import * as LibsqlConnection from "./LibsqlConnection.js"
import { migrate } from "./Migrations.js"

export interface SqliteStoreOptions {
  /** The directory of the file `bulkhead.db`. Created if it is missing, with access for this user alone. */
  readonly directory: string
  /**
   * SQLite's `synchronous`. With `normal`, what is committed survives the death of this process, SIGKILL included. A
   * power loss or a crash of the system may cost the last commits; the file stays consistent, and the audit chain still
   * verifies. With `full`, it survives a power loss too, but each commit waits for the disk and blocks this process
   * meanwhile. Default `normal`.
   */
  readonly synchronous?: "normal" | "full"
}

const fileName = "bulkhead.db"

/** Created before SQLite does, which would let other users read the results. */
const databaseFile = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 })
  const file = path.resolve(directory, fileName)
  yield* Effect.scoped(fs.open(file, { flag: "a", mode: 0o600 }))
  return file
})

const pragmas = ({ synchronous = "normal" }: SqliteStoreOptions) => [
  "busy_timeout = 2000",
  // Has an effect only before the first table is created.
  "auto_vacuum = INCREMENTAL",
  "journal_mode = WAL",
  `synchronous = ${synchronous}`,
  "journal_size_limit = 67108864",
  "cache_size = -16000"
]

/** A database that does not hold together is not begun with. It is read whole: about a second for 1 GB. */
const checkWhole = Effect.fnUntraced(function* (connection: SqlConnection.Connection) {
  const said = (yield* connection.executeValues("PRAGMA quick_check(1)", [])).flat().join("; ")
  if (said !== "ok")
    return yield* new SqlError.SqlError({
      message: "The database file is damaged",
      cause: new DatabaseFile.DatabaseLost({ message: `the database file is damaged: ${said}` })
    })
})

/** Transactions take turns on one connection. Everything else uses another one, and sees what is committed. */
const makeClient = Effect.fnUntraced(function* (options: SqliteStoreOptions) {
  const file = yield* databaseFile(options.directory)
  const descriptor = yield* DatabaseFile.open(file)
  const writing = yield* LibsqlConnection.make(file, pragmas(options))
  const reading = yield* LibsqlConnection.make(file, pragmas(options))
  yield* checkWhole(reading)
  const { check, guard } = yield* DatabaseFile.watch(file, descriptor)
  const [reader, writer] = [guard(reading), guard(writing)]
  const turns = yield* Effect.makeSemaphore(1)
  const giveBack = turns.release(1)
  // Whoever asks for a transaction and gets none does not close its scope.
  const turn = Effect.acquireRelease(
    Effect.zipRight(
      turns.take(1),
      Effect.onError(check, () => giveBack)
    ),
    () => giveBack
  )
  const client = yield* SqlClient.make({
    acquirer: Effect.as(check, reader),
    transactionAcquirer: Effect.as(turn, writer),
    compiler: Statement.makeCompilerSqlite(),
    spanAttributes: [["db.system.name", "sqlite"]],
    beginTransaction: "BEGIN IMMEDIATE"
  })
  yield* Effect.provideService(migrate, SqlClient.SqlClient, client)
  // Two connections that write would wait for each other, and block this process meanwhile.
  yield* reading.executeUnprepared("PRAGMA query_only = 1", [], undefined)
  return client
})

/**
 * A SQLite database in a directory, with the tables of the store. Every write has to be in a transaction. Fails when it
 * cannot be opened, or does not hold together. When the file is deleted, replaced, cut short or damaged meanwhile,
 * everything fails: nothing is read from it, and nothing counts as written.
 */
export const layer = (
  options: SqliteStoreOptions
): Layer.Layer<SqlClient.SqlClient, StoreFailure, FileSystem.FileSystem | Path.Path> =>
  Layer.scoped(
    SqlClient.SqlClient,
    makeClient(options).pipe(asStoreFailure("The database could not be opened"))
  ).pipe(Layer.provide(Reactivity.layer))
