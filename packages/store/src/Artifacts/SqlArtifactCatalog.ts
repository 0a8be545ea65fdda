import { hash, randomUUID } from "node:crypto"
import { ArtifactCatalog, ArtifactStoreFailure, catalogPatience, type SpaceLimits } from "@bulkhead/artifacts"
import { StoreFailure } from "@bulkhead/sandbox"
import { SqlClient, type Statement } from "@effect/sql"
import { Array as Arr, Duration, Effect, Layer, Option, Ref } from "effect"
import { asStoreFailure } from "../Database/Failures.js"
import { asArtifactFailure } from "./ArtifactFailures.js"

/** Files that are given up in one transaction at most. */
const step = 200

/** Longest time to look up how much room is taken. */
const glance = Duration.seconds(2)

/** In the place of a user: all. */
const everybody = ""

interface FileRow {
  readonly file_id: string
  readonly user_id: string
  readonly size: number | string
}

const idsOf = (rows: ReadonlyArray<Pick<FileRow, "file_id">>) => rows.map(({ file_id }) => file_id)

/** A name may have characters that PostgreSQL does not take, and be longer than an index does. */
const hashed = (name: string) => hash("sha256", name)

const quotaFailure = (userId: string, limit: number) =>
  new ArtifactStoreFailure({ reason: userId === everybody ? "Quota" : "UserQuota", limit })

const noLongerStaged = new ArtifactStoreFailure({
  reason: "Unavailable",
  cause: "a file that was staged counts as abandoned"
})

/** Room, counted in a row for each user and one for all. A user's row is locked first, and all's last. */
const makeSpace = (sql: SqlClient.SqlClient, limits: SpaceLimits) => {
  const { all = Number.MAX_SAFE_INTEGER, eachUser = Number.MAX_SAFE_INTEGER } = limits

  /** Everything about a user's files is done by one server at a time. */
  const lock = (userId: string) =>
    sql`INSERT INTO artifact_space (user_id, bytes) VALUES (${userId}, 0)
      ON CONFLICT (user_id) DO UPDATE SET bytes = artifact_space.bytes`

  const takeOf = Effect.fnUntraced(function* (userId: string, bytes: number, limit: number) {
    yield* lock(userId)
    const taken = yield* sql`UPDATE artifact_space SET bytes = bytes + ${bytes}
      WHERE user_id = ${userId} AND bytes + ${bytes} <= ${limit} RETURNING user_id`
    if (taken.length === 0) return yield* quotaFailure(userId, limit)
  })

  const change = (userId: string, bytes: number) =>
    sql`UPDATE artifact_space SET bytes = bytes + ${bytes} WHERE user_id = ${userId}`

  return {
    lock,
    take: (userId: string, bytes: number) =>
      Effect.zipRight(takeOf(userId, bytes, eachUser), takeOf(everybody, bytes, all)),
    giveBack: (userId: string, bytes: number) =>
      bytes === 0 ? Effect.void : Effect.zipRight(change(userId, -bytes), change(everybody, -bytes)),
    taken: (userId: string) =>
      Effect.map(
        sql<{ bytes: number | string }>`SELECT bytes FROM artifact_space WHERE user_id = ${userId}`,
        ([row]) => Number(row?.bytes ?? 0)
      )
  }
}

const make = Effect.fnUntraced(function* (limits: SpaceLimits) {
  const sql = yield* SqlClient.SqlClient
  const space = makeSpace(sql, limits)

  const [catalog] = yield* sql<{ beginning: string }>`SELECT beginning FROM artifact_catalog`
  if (catalog === undefined) return yield* new StoreFailure({ message: "The catalog of artifacts is empty" })
  const { beginning } = catalog

  /** The database's own clock: those of its servers may differ. */
  const now = sql.onDialectOrElse({
    pg: () => sql.literal("CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"),
    orElse: () => sql.literal("CAST(unixepoch('subsec') * 1000 AS INTEGER)")
  })

  const inTransaction = <A, E>(effect: Effect.Effect<A, E>) => asArtifactFailure(sql.withTransaction(effect))

  const isStaged = sql`state = 'staged'`
  const isKept = sql`state = 'kept'`
  const isGivenUp = sql`state = 'given up'`
  const isOld = sql`touched_at < ${now} - ${sql.literal(String(catalogPatience))}`

  /** Gives up those of some files of one user of which something is true, and the room they took. */
  const giveUp = Effect.fnUntraced(function* (
    userId: string,
    ids: ReadonlyArray<string>,
    condition: Statement.Fragment
  ) {
    if (ids.length === 0) return []
    yield* space.lock(userId)
    const rows = yield* sql<FileRow>`UPDATE artifact_files SET state = 'given up', touched_at = ${now}
      WHERE ${sql.in("file_id", ids)} AND user_id = ${userId} AND ${condition}
      RETURNING file_id, user_id, size`
    yield* space.giveBack(
      userId,
      rows.reduce((sum, { size }) => sum + Number(size), 0)
    )
    return idsOf(rows)
  })

  const select = (condition: Statement.Fragment) =>
    sql<FileRow>`SELECT file_id, user_id, size FROM artifact_files WHERE ${condition}`

  const rowsWhere = (condition: Statement.Fragment) => asArtifactFailure(select(condition))

  /** In a transaction for each user, since two that lock several of them could wait for one another. */
  const ofEachUser = (rows: ReadonlyArray<FileRow>, condition: Statement.Fragment) =>
    Effect.forEach(Object.entries(Arr.groupBy(rows, ({ user_id }) => user_id)), ([userId, files]) =>
      inTransaction(giveUp(userId, idsOf(files), condition))
    )

  const keep = Effect.fnUntraced(function* (id: string, size: number) {
    const [file] = yield* sql<FileRow & { execution_id: string; name_hash: string; state: string }>`
      SELECT file_id, user_id, size, execution_id, name_hash, state FROM artifact_files
      WHERE file_id = ${id} AND NOT (${isGivenUp})`
    if (file === undefined) return yield* noLongerStaged
    if (file.state === "kept") return []
    yield* space.lock(file.user_id)
    const before = yield* select(
      sql`execution_id = ${file.execution_id} AND name_hash = ${file.name_hash} AND ${isKept}`
    )
    const replaced = yield* giveUp(file.user_id, idsOf(before), isKept)
    const kept = yield* sql`UPDATE artifact_files SET state = 'kept', size = ${size}, touched_at = ${now}
      WHERE file_id = ${id} AND ${isStaged} RETURNING file_id`
    if (kept.length === 0) return yield* noLongerStaged
    yield* space.giveBack(file.user_id, Number(file.size) - size)
    return replaced
  })

  const lastKnown = yield* Ref.make<ReadonlyMap<string, number>>(new Map())
  const remember = (userId: string, bytes: number) =>
    Ref.update(lastKnown, (known) => new Map([...known].slice(-1000)).set(userId, bytes))

  const takenBy = (userId: string) =>
    space.taken(userId).pipe(
      Effect.tap((bytes) => remember(userId, bytes)),
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeout(glance),
      Effect.catchAllCause(() => Effect.map(Ref.get(lastKnown), (known) => known.get(userId) ?? 0))
    )

  return ArtifactCatalog.of({
    beginning,
    stage: ({ executionId, name, size, userId }) => {
      const id = `${beginning}${randomUUID()}`
      return inTransaction(
        Effect.zipRight(
          space.take(userId, size),
          sql`INSERT INTO artifact_files
              (file_id, execution_id, name_hash, user_id, size, state, touched_at)
            VALUES (${id}, ${executionId}, ${hashed(name)}, ${userId}, ${size}, 'staged', ${now})`
        )
      ).pipe(Effect.as(id), Effect.withSpan("SqlArtifactCatalog.stage"))
    },
    renew: (id) =>
      inTransaction(
        Effect.filterOrFail(
          sql`UPDATE artifact_files SET touched_at = ${now}
            WHERE file_id = ${id} AND ${isStaged} RETURNING file_id`,
          (rows) => rows.length > 0,
          () => noLongerStaged
        )
      ),
    keep: (id, size) => Effect.withSpan(inTransaction(keep(id, size)), "SqlArtifactCatalog.keep"),
    drop: (id) =>
      Effect.map(
        Effect.flatMap(rowsWhere(sql`file_id = ${id}`), (rows) => ofEachUser(rows, sql`NOT (${isGivenUp})`)),
        (dropped) => dropped.flat().length > 0
      ),
    find: (executionId, name) =>
      Effect.map(
        rowsWhere(sql`execution_id = ${executionId} AND name_hash = ${hashed(name)} AND ${isKept}`),
        (rows) => Option.map(Arr.head(rows), ({ file_id, size }) => ({ id: file_id, size: Number(size) }))
      ),
    remove: (executionId) =>
      rowsWhere(sql`execution_id = ${executionId} AND ${isKept}`).pipe(
        Effect.flatMap((rows) => ofEachUser(rows, isKept)),
        Effect.zipRight(rowsWhere(sql`execution_id = ${executionId} AND ${isGivenUp}`)),
        Effect.map(idsOf),
        Effect.withSpan("SqlArtifactCatalog.remove")
      ),
    abandoned: rowsWhere(sql`${isStaged} AND ${isOld} LIMIT ${step}`).pipe(
      Effect.flatMap((rows) => ofEachUser(rows, sql`${isStaged} AND ${isOld}`)),
      Effect.flatMap((abandoned) =>
        Effect.map(rowsWhere(sql`${isGivenUp} AND ${isOld} LIMIT ${step}`), (rows) => [
          ...abandoned.flat(),
          ...idsOf(rows)
        ])
      )
    ),
    forget: (ids) =>
      ids.length === 0
        ? Effect.void
        : Effect.asVoid(
            inTransaction(sql`DELETE FROM artifact_files WHERE ${sql.in("file_id", ids)} AND ${isGivenUp}`)
          ),
    unknown: (ids) =>
      ids.length === 0
        ? Effect.succeed([])
        : Effect.map(rowsWhere(sql.in("file_id", ids)), (rows) => {
            const known = new Set(idsOf(rows))
            return ids.filter((id) => !known.has(id))
          }),
    taken: (userId?: string) => takenBy(userId ?? everybody)
  })
})

/**
 * The catalog in the tables that `PostgresStore` and `SqliteStore` create: one for all servers of a database, with one
 * count of the room that artifacts take.
 *
 * @param limits Bytes that artifacts may take, of all servers together.
 */
export const layer = (
  limits: SpaceLimits = {}
): Layer.Layer<ArtifactCatalog, StoreFailure, SqlClient.SqlClient> =>
  Layer.effect(ArtifactCatalog, asStoreFailure("The catalog of artifacts could not be read")(make(limits)))
