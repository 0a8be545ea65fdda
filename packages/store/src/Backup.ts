import type { AuditVerification } from "@bulkhead/domain"
import * as Reactivity from "@effect/experimental/Reactivity"
import { FileSystem, Path, type Error as PlatformError } from "@effect/platform"
import { SqlClient, Statement } from "@effect/sql"
import { Effect, Schema } from "effect"
import * as Verification from "./Audit/Verification.js"
import * as LibsqlConnection from "./Database/LibsqlConnection.js"

/** What a copy of the SQLite file holds. */
export interface Backup {
  readonly executions: number
  /** `intact` is false where there are no events; what is wrong with one is in `broken`. */
  readonly audit: AuditVerification
}

/** A copy of the SQLite file cannot be restored from. */
export class BackupUnusable extends Schema.TaggedError<BackupUnusable>()("BackupUnusable", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.file} cannot be restored from: ${this.reason}`
  }
}

/** SQLite would fold the log into the file, so what is read is a copy of both. */
const copyOf = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { type } = yield* fs.stat(file)
  if (type !== "File") return yield* new BackupUnusable({ file, reason: "it is no file" })
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "bulkhead-backup-" })
  const copy = path.join(directory, "bulkhead.db")
  yield* fs.copyFile(file, copy)
  if (yield* fs.exists(`${file}-wal`)) yield* fs.copyFile(`${file}-wal`, `${copy}-wal`)
  return copy
})

const read = Effect.fnUntraced(function* (file: string) {
  const connection = yield* LibsqlConnection.make(yield* copyOf(file), ["query_only = 1"])
  const said = (yield* connection.executeValues("PRAGMA integrity_check(5)", [])).flat().join("; ")
  if (said !== "ok") return yield* new BackupUnusable({ file, reason: `it is damaged: ${said}` })
  const sql = yield* SqlClient.make({
    acquirer: Effect.succeed(connection),
    compiler: Statement.makeCompilerSqlite(),
    spanAttributes: [["db.system.name", "sqlite"]]
  })
  const [count] = yield* sql<{ executions: number }>`SELECT COUNT(*) AS executions FROM executions`
  const backup: Backup = {
    executions: Number(count?.executions ?? 0),
    audit: yield* Verification.verify(sql, "")
  }
  return backup
})

const reasonOf = (error: { readonly message: string; readonly cause?: unknown }) =>
  error.cause instanceof Error ? error.cause.message : error.message

/** In words of ours: the system's name the place of the copy, which nobody has asked for. */
const reasonOfSystem = ({ reason, syscall }: PlatformError.SystemError) => {
  if (reason === "NotFound") return "there is no such file"
  if (reason === "PermissionDenied")
    return "it may not be read, or not be copied into the temporary directory"
  return `it could not be read or copied into the temporary directory (${syscall ?? "the system"}: ${reason})`
}

/**
 * Looks whether a server could begin with a copy of `bulkhead.db`, and its `-wal` file if one lies beside it: SQLite's
 * whole check of the file, and the audit chains. Writes nothing beside it; takes as much room in the temporary
 * directory as it has bytes. Fails with `BackupUnusable` where it cannot be read, is damaged or is something else; a
 * chain that does not verify is told in `audit.broken`.
 */
export const check = Effect.fn("Backup.check")((file: string) =>
  read(file).pipe(
    Effect.scoped,
    Effect.provide(Reactivity.layer),
    Effect.catchTags({
      SqlError: (error) => new BackupUnusable({ file, reason: reasonOf(error) }),
      SystemError: (error) => new BackupUnusable({ file, reason: reasonOfSystem(error) }),
      BadArgument: (error) => new BackupUnusable({ file, reason: reasonOf(error) })
    })
  )
)
