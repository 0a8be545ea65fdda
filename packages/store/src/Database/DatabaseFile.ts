import * as NodeFs from "node:fs"
import { type SqlConnection, SqlError } from "@effect/sql"
import { Effect, Option, Ref, Schema } from "effect"

/** The file of a database is not what it was when it was opened. */
export class DatabaseLost extends Schema.TaggedError<DatabaseLost>()("DatabaseLost", {
  /** For everyone: it names no path. */
  message: Schema.String
}) {}

/** Looks after the file of an open SQLite database, which goes on as if nothing were when its file is gone. */
export interface DatabaseFile {
  /**
   * Fails when the file, or the log beside it, was deleted or replaced; and from the first time on that it is found to
   * be cut short or damaged, since what is remembered of it is then worth nothing.
   */
  readonly check: Effect.Effect<void, SqlError.SqlError>
  /** A connection that sees to it that what it commits is in the file, and that hears of damage. */
  readonly guard: (connection: SqlConnection.Connection) => SqlConnection.Connection
}

const HEADER_BYTES = 100
const MAGIC = "SQLite format 3\0"

const moved = (what: string) => `${what}; put it back, or restart the server to go on with what is there`
const damaged = (what: string) => `${what}; restore it, then restart the server`

/** What SQLite calls a file that it cannot make sense of. */
const damageCodes = new Set(["SQLITE_CORRUPT", "SQLITE_NOTADB"])

const isDamage = ({ cause }: SqlError.SqlError) =>
  cause instanceof Error && "code" in cause && damageCodes.has(String(cause.code))

const asSqlError = (cause: unknown) => new SqlError.SqlError({ cause, message: "The database is lost" })

type Identity = Pick<NodeFs.Stats, "dev" | "ino">

const isSame = (one: Identity, other: Identity) => one.dev === other.dev && one.ino === other.ino

const identify = (path: string) =>
  Option.fromNullable(NodeFs.statSync(path, { throwIfNoEntry: false })) satisfies Option.Option<Identity>

/** Why a file is no longer what was opened. */
const lossOf = (path: string, opened: Identity, name: string) =>
  Option.match(identify(path), {
    onNone: () => [moved(`${name} was deleted`)],
    onSome: (now) => (isSame(now, opened) ? [] : [moved(`${name} was replaced by another`)])
  })

/** Why the file of this descriptor cannot be what SQLite has left there: it always holds as much as its header says. */
const damageOf = (descriptor: number) => {
  const header = Buffer.alloc(HEADER_BYTES)
  NodeFs.readSync(descriptor, header, 0, HEADER_BYTES, 0)
  const { size } = NodeFs.fstatSync(descriptor)
  const pageSize = header.readUInt16BE(16)
  const bytes = (pageSize === 1 ? 65_536 : pageSize) * header.readUInt32BE(28)
  if (size === 0 || size < bytes) return [damaged("the database file was cut short")]
  return header.toString("latin1", 0, MAGIC.length) === MAGIC
    ? []
    : [damaged("the database file is no database any more")]
}

/**
 * Holds the file open. Its scope must end after those of the connections: the first descriptor of a file that a process
 * closes takes all of SQLite's locks along.
 */
export const open = (path: string) =>
  Effect.acquireRelease(
    Effect.try({ try: () => NodeFs.openSync(path, "r"), catch: asSqlError }),
    (descriptor) => Effect.sync(() => NodeFs.closeSync(descriptor))
  )

/** Begins to look after a database's file, once every connection is open. */
export const watch = Effect.fnUntraced(function* (path: string, descriptor: number) {
  const log = `${path}-wal`
  const damage = yield* Ref.make(Option.none<string>())
  const opened = yield* Effect.try({ try: () => NodeFs.fstatSync(descriptor), catch: asSqlError })
  // There is none where the file system cannot share memory.
  const openedLog = yield* Effect.try({ try: () => identify(log), catch: asSqlError })

  const look = Effect.try({
    try: () => ({
      losses: [
        ...lossOf(path, opened, "the database file"),
        ...Option.match(openedLog, {
          onNone: () => [],
          onSome: (openedLog) => lossOf(log, openedLog, "the database's log file")
        })
      ],
      damages: damageOf(descriptor)
    }),
    catch: asSqlError
  })
  const lose = (message: string) => Effect.fail(asSqlError(new DatabaseLost({ message })))
  const note = (message: string) => Effect.zipRight(Ref.set(damage, Option.some(message)), lose(message))

  const check = Effect.gen(function* () {
    const known = yield* Ref.get(damage)
    if (Option.isSome(known)) return yield* lose(known.value)
    const { damages, losses } = yield* look
    if (losses[0] !== undefined) return yield* lose(losses[0])
    if (damages[0] !== undefined) return yield* note(damages[0])
  })

  const hearOfDamage = <A>(call: Effect.Effect<A, SqlError.SqlError>) =>
    Effect.catchIf(call, isDamage, () => note(damaged("the database file is damaged")))

  const guard: DatabaseFile["guard"] = (connection) => ({
    execute: (...given) => hearOfDamage(connection.execute(...given)),
    executeRaw: (...given) => hearOfDamage(connection.executeRaw(...given)),
    executeValues: (...given) => hearOfDamage(connection.executeValues(...given)),
    executeUnprepared: (sql, ...given) => {
      const executed = hearOfDamage(connection.executeUnprepared(sql, ...given))
      return sql === "COMMIT" ? Effect.zipLeft(executed, check) : executed
    },
    executeStream: connection.executeStream
  })
  return { check, guard } satisfies DatabaseFile
})
