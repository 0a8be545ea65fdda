import { randomUUID } from "node:crypto"
import { Migrator, SqlClient } from "@effect/sql"
import { Effect, Schema } from "effect"
import * as OlderServers from "./OlderServers.js"

/** Where the dialects differ. PostgreSQL would sort text by the rules of a language, SQLite sorts by bytes. */
const dialect = (sql: SqlClient.SqlClient) =>
  sql.onDialectOrElse({
    pg: () => ({ text: sql.literal('TEXT COLLATE "C"'), clustered: sql.literal("") }),
    orElse: () => ({ text: sql.literal("TEXT"), clustered: sql.literal("WITHOUT ROWID") })
  })

const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { clustered, text } = dialect(sql)
  const statements = [
    sql`CREATE TABLE chains (
      instance ${text} PRIMARY KEY,
      life BIGINT NOT NULL,
      sequence BIGINT NOT NULL,
      hash TEXT NOT NULL,
      removed_sequence BIGINT NOT NULL,
      removed_hash TEXT NOT NULL,
      bytes BIGINT NOT NULL
    )`,
    sql`CREATE TABLE events (
      instance ${text} NOT NULL,
      sequence BIGINT NOT NULL,
      timestamp BIGINT NOT NULL,
      execution_id ${text} NOT NULL,
      event TEXT NOT NULL,
      hash TEXT NOT NULL,
      PRIMARY KEY (instance, sequence)
    ) ${clustered}`,
    sql`CREATE INDEX events_by_execution ON events (execution_id, sequence)`,
    sql`CREATE TABLE executions (
      execution_id ${text} PRIMARY KEY,
      instance ${text} NOT NULL,
      life BIGINT NOT NULL,
      user_id ${text} NOT NULL,
      state TEXT NOT NULL,
      language TEXT,
      started_at BIGINT NOT NULL,
      ended_at BIGINT,
      verdict TEXT,
      result TEXT
    )`,
    sql`CREATE INDEX executions_by_start ON executions (started_at, execution_id)`,
    sql`CREATE INDEX executions_by_user ON executions (user_id, started_at, execution_id)`,
    sql`CREATE INDEX executions_by_verdict ON executions (verdict, started_at, execution_id)`,
    sql`CREATE INDEX executions_unfinished ON executions (instance, started_at, execution_id) WHERE ended_at IS NULL`,
    sql`CREATE TABLE usage (
      execution_id ${text} PRIMARY KEY,
      user_id ${text} NOT NULL,
      ended_at BIGINT NOT NULL,
      sandbox_ms DOUBLE PRECISION NOT NULL,
      vcpu_seconds DOUBLE PRECISION NOT NULL,
      gib_seconds DOUBLE PRECISION NOT NULL,
      artifact_bytes DOUBLE PRECISION NOT NULL,
      cost_usd DOUBLE PRECISION NOT NULL
    )`,
    sql`CREATE INDEX usage_by_user ON usage (user_id, ended_at)`,
    sql`CREATE INDEX usage_by_end ON usage (ended_at)`,
    sql`CREATE TABLE artifacts (
      execution_id ${text} NOT NULL,
      name ${text} NOT NULL,
      size BIGINT NOT NULL,
      sha256 TEXT NOT NULL,
      media_type TEXT NOT NULL,
      PRIMARY KEY (execution_id, name)
    )`,
    sql`CREATE TABLE idempotency_keys (
      user_id ${text} NOT NULL,
      idempotency_key ${text} NOT NULL,
      fingerprint TEXT NOT NULL,
      execution_id ${text} NOT NULL,
      created_at BIGINT NOT NULL,
      PRIMARY KEY (user_id, idempotency_key)
    )`,
    sql`CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)`
  ]
  yield* Effect.forEach(statements, (statement) => statement, { discard: true })
})

/** Which life of which instance claimed a key. Empty for keys from before this migration. */
const claimants = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { text } = dialect(sql)
  yield* sql`ALTER TABLE idempotency_keys ADD COLUMN instance ${text} NOT NULL DEFAULT ''`
  yield* sql`ALTER TABLE idempotency_keys ADD COLUMN life BIGINT NOT NULL DEFAULT 0`
  yield* sql`CREATE INDEX idempotency_keys_by_execution ON idempotency_keys (execution_id)`
})

/** Who works under which name, and how often it has said that it is alive. */
const leases = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { text } = dialect(sql)
  yield* sql`CREATE TABLE leases (
    instance ${text} PRIMARY KEY,
    holder TEXT NOT NULL,
    renewals BIGINT NOT NULL
  )`
})

/** Artifacts count too, from now on: those that are there, once. */
const artifactBytes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE chains SET bytes = bytes + (
    SELECT COALESCE(SUM(a.size), 0) FROM artifacts a JOIN executions x ON x.execution_id = a.execution_id
    WHERE x.instance = chains.instance
  )`
})

/** Who is to be told of an execution, what is to be sent, and what is kept of each user for that. */
const webhooks = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { text } = dialect(sql)
  const statements = [
    sql`ALTER TABLE executions ADD COLUMN webhook TEXT`,
    sql`CREATE TABLE user_webhooks (
      user_id ${text} PRIMARY KEY,
      webhooks TEXT,
      secret TEXT,
      previous TEXT,
      previous_until BIGINT
    )`,
    sql`CREATE TABLE webhook_messages (
      message_id ${text} PRIMARY KEY,
      instance ${text} NOT NULL,
      life BIGINT NOT NULL,
      execution_id ${text} NOT NULL,
      user_id ${text} NOT NULL,
      event TEXT NOT NULL,
      url TEXT NOT NULL,
      receiver TEXT NOT NULL,
      body TEXT NOT NULL,
      state ${text} NOT NULL,
      attempts BIGINT NOT NULL,
      created_at BIGINT NOT NULL,
      since BIGINT NOT NULL,
      next_at BIGINT NOT NULL,
      settled_at BIGINT,
      outcome TEXT
    )`,
    sql`CREATE INDEX webhook_messages_by_execution ON webhook_messages (execution_id)`,
    sql`CREATE INDEX webhook_messages_by_creation ON webhook_messages (created_at, message_id)`,
    sql`CREATE INDEX webhook_messages_by_state ON webhook_messages (state, user_id, settled_at)`,
    sql`CREATE INDEX webhook_messages_due ON webhook_messages (instance, life, next_at)
      WHERE state = 'pending'`
  ]
  yield* Effect.forEach(statements, (statement) => statement, { discard: true })
})

/** Which image an execution's sandbox is made from. */
const images = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE executions ADD COLUMN image TEXT`
})

/** What executions used of the network, where somebody counts that. */
const network = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE usage ADD COLUMN network_connections DOUBLE PRECISION`
  yield* sql`ALTER TABLE usage ADD COLUMN network_denied DOUBLE PRECISION`
  yield* sql`ALTER TABLE usage ADD COLUMN sent_bytes DOUBLE PRECISION`
  yield* sql`ALTER TABLE usage ADD COLUMN received_bytes DOUBLE PRECISION`
})

/** Seconds that an execution had GPUs, each counted. */
const gpus = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE usage ADD COLUMN gpu_seconds DOUBLE PRECISION NOT NULL DEFAULT 0`
})

/** What artifacts there are where servers share them, how much room they take, and their bytes where they are here. */
const sharedArtifacts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { text } = dialect(sql)
  const bytes = sql.onDialectOrElse({ pg: () => sql.literal("BYTEA"), orElse: () => sql.literal("BLOB") })
  const statements = [
    sql`CREATE TABLE artifact_catalog (beginning TEXT NOT NULL)`,
    sql`INSERT INTO artifact_catalog (beginning) VALUES (${`${randomUUID()}/`})`,
    sql`CREATE TABLE artifact_files (
      file_id ${text} PRIMARY KEY,
      execution_id ${text} NOT NULL,
      name_hash ${text} NOT NULL,
      user_id ${text} NOT NULL,
      size BIGINT NOT NULL,
      state ${text} NOT NULL,
      touched_at BIGINT NOT NULL
    )`,
    sql`CREATE INDEX artifact_files_by_execution ON artifact_files (execution_id, name_hash)`,
    sql`CREATE UNIQUE INDEX artifact_files_kept ON artifact_files (execution_id, name_hash) WHERE state = 'kept'`,
    sql`CREATE INDEX artifact_files_passing ON artifact_files (touched_at) WHERE state <> 'kept'`,
    sql`CREATE TABLE artifact_space (user_id ${text} PRIMARY KEY, bytes BIGINT NOT NULL)`,
    sql`CREATE TABLE artifact_chunks (
      file_id ${text} NOT NULL REFERENCES artifact_files ON DELETE CASCADE,
      number BIGINT NOT NULL,
      bytes ${bytes} NOT NULL,
      PRIMARY KEY (file_id, number)
    )`
  ]
  yield* Effect.forEach(statements, (statement) => statement, { discard: true })
  // Most of what is large is compressed already, and parts of it are read.
  yield* sql.onDialectOrElse({
    pg: () => sql`ALTER TABLE artifact_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL`,
    orElse: () => Effect.void
  })
})

/** In which trace an execution is recorded, where one is. */
const traces = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE executions ADD COLUMN trace_id TEXT`
})

// The names are in the databases that exist.
const migrations = {
  "0001_books": tables,
  "0002_claimants": claimants,
  "0003_leases": leases,
  "0004_artifact_bytes": artifactBytes,
  "0005_webhooks": webhooks,
  "0006_images": images,
  "0007_network": network,
  "0008_gpus": gpus,
  "0009_shared_artifacts": sharedArtifacts,
  "0010_traces": traces
}

type Migration = keyof typeof migrations

/** Those with which servers of the version before cannot go on: they would do the books wrong. */
const breaking: ReadonlyArray<Migration> = ["0004_artifact_bytes"]

/** Since then it is known which servers work with the tables. */
const leasesKnown: Migration = "0003_leases"

const table = "bulkhead_migrations"

const run = Migrator.make({})({ loader: Migrator.fromRecord(migrations), table })

/** What this version calls the tables that it makes. */
const newestKnown = Object.keys(migrations).length

/** The tables are those of a version that does not exist yet as far as this one knows. */
class NewerDatabase extends Schema.TaggedError<NewerDatabase>()("NewerDatabase", {
  message: Schema.String
}) {}

/** The last migration of the tables, 0 where there are none yet. */
const newestApplied = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly newest: number }>`SELECT MAX(migration_id) AS newest FROM ${sql(table)}`
  return row?.newest ?? 0
})

const numberOf = (name: Migration) => Number.parseInt(name, 10)

/** Before anything is changed. */
const refuseBesideOlder = Effect.gen(function* () {
  const newest = yield* Effect.orElseSucceed(newestApplied, () => 0)
  if (newest >= numberOf(leasesKnown) && breaking.some((name) => numberOf(name) > newest))
    yield* OlderServers.refuse
})

const refuseNewer = Effect.gen(function* () {
  const newest = yield* newestApplied
  if (newest > newestKnown) {
    const message = `a newer version of the server has changed its tables (to ${newest}; this one knows ${newestKnown})`
    return yield* new NewerDatabase({ message })
  }
})

/** The key of the advisory lock. Any number that nothing else in the database uses. */
const lock = 7_215_530_417

// Without a lock, the migrator fails when two servers start in an empty PostgreSQL at the same time.
const oneAtATime = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const connection = yield* sql.reserve
  const call = (name: string) => connection.executeUnprepared(`SELECT ${name}(${lock})`, [], undefined)
  yield* Effect.acquireRelease(call("pg_advisory_lock"), () => Effect.ignore(call("pg_advisory_unlock")))
})

/**
 * Creates or alters the tables as this version needs them. Fails when a newer version has altered them, and, before it
 * alters anything, when servers of an older version work with them that could not go on.
 */
export const migrate = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.onDialectOrElse({ pg: () => oneAtATime, orElse: () => Effect.void })
  yield* refuseBesideOlder
  yield* run
  yield* refuseNewer
}).pipe(Effect.scoped)
