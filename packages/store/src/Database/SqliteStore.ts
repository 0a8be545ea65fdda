import type { StoreFailure } from "@bulkhead/sandbox"
import { Reactivity } from "@effect/experimental"
import { FileSystem, Path } from "@effect/platform"
import { SqlClient, Statement } from "@effect/sql"
import { Effect, Layer } from "effect"
import { asStoreFailure } from "./Failures.js"
import * as LibsqlConnection from "./LibsqlConnection.js"
import { migrate } from "./Migrations.js"

export interface SqliteStoreOptions {
  /** Where the database file `bulkhead.db` lies. Made, for this user alone, if it is missing. */
  readonly directory: string
  /**
   * When the disk is waited for. `normal`: what is committed survives the death of this process, also by SIGKILL, since the system
   * has it; a power loss or a crash of the system may cost the last commits before it, never the file's consistency, and the
   * chain still verifies. `full`: what is committed survives a power loss too, and every commit waits for the disk, while
   * which nothing else in this process runs. Default `normal`.
   */
  readonly synchronous?: "normal" | "full"
}

const fileName = "bulkhead.db"

/** Others must not read the results, so the file is made before SQLite would make it, by its own wide mode. */
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
  // Only has an effect before the first table is made.
  "auto_vacuum = INCREMENTAL",
  "journal_mode = WAL",
  `synchronous = ${synchronous}`,
  "journal_size_limit = 67108864",
  "cache_size = -16000"
]

/** Transactions take turns on one connection; everything else has another, and sees what is committed. */
const makeClient = Effect.fnUntraced(function* (options: SqliteStoreOptions) {
  const file = yield* databaseFile(options.directory)
  const writing = yield* LibsqlConnection.make(file, pragmas(options))
  const reading = yield* LibsqlConnection.make(file, pragmas(options))
  const turns = yield* Effect.makeSemaphore(1)
  const turn = Effect.acquireRelease(turns.take(1), () => turns.release(1))
  const client = yield* SqlClient.make({
    acquirer: Effect.succeed(reading),
    transactionAcquirer: Effect.as(turn, writing),
    compiler: Statement.makeCompilerSqlite(),
    spanAttributes: [["db.system.name", "sqlite"]],
    beginTransaction: "BEGIN IMMEDIATE"
  })
  yield* Effect.provideService(migrate, SqlClient.SqlClient, client)
  // Two connections that write would wait for one another, and block everything else meanwhile.
  yield* reading.executeUnprepared("PRAGMA query_only = 1", [], undefined)
  return client
})

/** A SQLite database in a directory, with the tables of the store. Whatever writes to it does so in a transaction. Fails when it cannot be opened. */
export const layer = (
  options: SqliteStoreOptions
): Layer.Layer<SqlClient.SqlClient, StoreFailure, FileSystem.FileSystem | Path.Path> =>
  Layer.scoped(
    SqlClient.SqlClient,
    makeClient(options).pipe(asStoreFailure("The database could not be opened"))
  ).pipe(Layer.provide(Reactivity.layer))
