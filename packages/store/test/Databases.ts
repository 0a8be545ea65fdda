import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ExecutionStore, Outbox, StoreFailure } from "@bulkhead/sandbox"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { describe } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { inject } from "vitest"
import { type Lease, PostgresStore, SqlExecutionStore, SqliteStore } from "../src/index.js"

/** A place for a database, empty at first, that can be opened again and again. */
export interface Database {
  readonly open: () => Layer.Layer<SqlClient.SqlClient, StoreFailure>
  /** The directory, or the URL. */
  readonly place: string
}

export const sqliteAt = (directory: string): Database => ({
  place: directory,
  open: () => SqliteStore.layer({ directory }).pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))
})

/** A directory that is removed with the scope. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "store-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const sqlite = Effect.map(temporaryDirectory, sqliteAt)

export const postgresAt = (url: string) => PostgresStore.layer({ url: Redacted.make(url), maxConnections: 4 })

/** Every database is a schema of its own. */
const postgres = (server: string) =>
  Effect.gen(function* () {
    const schema = `s${randomUUID().replaceAll("-", "")}`
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE SCHEMA ${sql(schema)}`
    const url = `${server}?options=-c%20search_path%3D${schema}`
    return { open: () => postgresAt(url), place: url }
  }).pipe(Effect.provide(postgresAt(server)))

/** How many rows a table of a PostgreSQL has, of whatever version its tables are. */
export const rowsOf = (url: string, table: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly count: string }>`SELECT COUNT(*) AS count FROM ${sql(table)}`
  ).pipe(
    Effect.map(([row]) => Number(row?.count)),
    Effect.provide(PgClient.layer({ url: Redacted.make(url) }))
  )

const laterTables = [
  ...["artifact_chunks", "artifact_files", "artifact_space", "artifact_catalog"],
  ...["webhook_messages", "user_webhooks"]
]

const laterColumns = [
  ...["webhook", "image", "trace_id"].map((column) => ["executions", column] as const),
  ...["network_connections", "network_denied", "sent_bytes", "received_bytes", "gpu_seconds"].map(
    (column) => ["usage", column] as const
  )
]

/** Undoes what migrations made of the tables from the fifth one on. */
export const undoLaterTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const table of laterTables) yield* sql`DROP TABLE ${sql(table)}`
  for (const [table, column] of laterColumns) yield* sql`ALTER TABLE ${sql(table)} DROP COLUMN ${sql(column)}`
})

export interface Kind {
  readonly name: string
  readonly make: Effect.Effect<Database, unknown, Scope.Scope>
}

const server = inject("postgres")

export const kinds: ReadonlyArray<Kind> = [
  { name: "SQLite", make: sqlite },
  ...("url" in server ? [{ name: "PostgreSQL", make: postgres(server.url) }] : [])
]

/** Runs tests on every kind of database there is, and says why when there is no PostgreSQL. */
export const onEach = (title: string, tests: (kind: Kind) => void) => {
  for (const kind of kinds) describe(`${title} on ${kind.name}`, () => tests(kind))
  if ("missing" in server) describe.skip(`${title} on PostgreSQL: ${server.missing}`, () => {})
}

/** A store in a database, and the database itself. */
export const storeIn = (
  database: Database,
  options: SqlExecutionStore.SqlExecutionStoreOptions = {}
): Layer.Layer<
  ExecutionStore | Outbox | Lease.Lease | SqlClient.SqlClient,
  StoreFailure | Lease.InstanceInUse
> => Layer.provideMerge(SqlExecutionStore.layer(options), database.open())

/** A store in an empty database. */
export const freshStore = (kind: Kind) =>
  Layer.unwrapScoped(Effect.map(Effect.orDie(kind.make), (database) => storeIn(database)))
