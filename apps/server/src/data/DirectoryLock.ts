import { join } from "node:path"
import { FileSystem } from "@effect/platform"
import { ConfigError, Effect, Predicate } from "effect"
import Database from "libsql"
import { reasonOf } from "../Reason.js"

const inUse = (directory: string) =>
  ConfigError.InvalidData(
    ["SANDBOX_DATA_DIR"],
    `${directory} is in use by another server; stop that one, or name another directory for this one`
  )

const cannotBeLocked = (directory: string, error: unknown) =>
  ConfigError.InvalidData(
    ["SANDBOX_DATA_DIR"],
    `${directory} cannot be locked: ${reasonOf(error)}; name a directory on a disk of this machine`
  )

const isBusy = (error: unknown) =>
  Predicate.hasProperty(error, "code") && String(error.code).startsWith("SQLITE_BUSY")

/** A transaction that never ends. In memory, its journal leaves no file. */
const lock = (database: Database.Database) => {
  database.exec("PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE")
}

/**
 * Locks a directory until the scope closes. Node has no file locks of its own, but SQLite has: the system takes the
 * lock back when the process dies, however it does, and leaves it to one that is merely stopped.
 */
export const take = Effect.fnUntraced(function* (directory: string) {
  const file = join(directory, "lock")
  const files = yield* FileSystem.FileSystem
  yield* Effect.scoped(files.open(file, { flag: "a", mode: 0o600 })).pipe(
    Effect.mapError((error) => cannotBeLocked(directory, error))
  )
  const database = yield* Effect.acquireRelease(
    Effect.try({ try: () => new Database(file), catch: (error) => cannotBeLocked(directory, error) }),
    (database) => Effect.sync(() => database.close())
  )
  yield* Effect.try({
    try: () => lock(database),
    catch: (error) => (isBusy(error) ? inUse(directory) : cannotBeLocked(directory, error))
  })
})
