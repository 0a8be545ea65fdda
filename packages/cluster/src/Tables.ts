import { randomBytes } from "node:crypto"
import { Migrator, SqlClient } from "@effect/sql"
import { Effect, Schema } from "effect"

const admission = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const statements = [
    sql`CREATE TABLE admission (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      epoch BIGINT NOT NULL,
      limits TEXT
    )`,
    sql`INSERT INTO admission (id, epoch) VALUES (1, 0)`,
    sql`CREATE TABLE admission_sessions (
      session TEXT PRIMARY KEY,
      instance TEXT NOT NULL,
      ended_at TIMESTAMPTZ
    )`,
    sql`CREATE TABLE admission_permits (
      session TEXT NOT NULL,
      number BIGINT NOT NULL,
      execution_id TEXT NOT NULL,
      user_id TEXT NOT NULL,
      PRIMARY KEY (session, number)
    )`
  ]
  yield* Effect.forEach(statements, (statement) => statement, { discard: true })
})

/** Made once, by the first replica of all. */
const secret = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const value = yield* Effect.sync(() => randomBytes(32).toString("hex"))
  yield* sql`CREATE TABLE replica_secret (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL)`
  yield* sql`INSERT INTO replica_secret (id, value) VALUES (1, ${value})`
})

/** What each replica says of itself. */
const replicas = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE replicas (
    session TEXT PRIMARY KEY,
    instance TEXT NOT NULL,
    address TEXT NOT NULL,
    version TEXT NOT NULL,
    began_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    seen_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    is_owner BOOLEAN NOT NULL,
    waiting INTEGER NOT NULL
  )`
})

/** A replica of before then says nothing of it, and its circuit counts as closed. */
const circuits = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`ALTER TABLE replicas ADD COLUMN circuit TEXT NOT NULL DEFAULT 'closed'`
)

/** What permits have beside a place, and what each replica's machine has. Replicas of before write none of it. */
const gpus = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE admission_permits ADD COLUMN gpu_kind TEXT, ADD COLUMN gpu_count INTEGER`
  yield* sql`ALTER TABLE replicas ADD COLUMN gpus TEXT NOT NULL DEFAULT '[]'`
})

/** The key of the advisory lock. Any number that nothing else in the database uses. */
const lock = 7_215_530_418

// The names are in the databases that exist. A change with which replicas of before cannot go on needs one of the store's
// that says so (`breaking` there): the store's come first.
const migrations = {
  "0001_admission": admission,
  "0002_secret": secret,
  "0003_replicas": replicas,
  "0004_circuits": circuits,
  "0005_gpus": gpus
}

const table = "bulkhead_cluster_migrations"

const run = Migrator.make({})({ loader: Migrator.fromRecord(migrations), table })

const newestKnown = Object.keys(migrations).length

/** The tables are those of a version that does not exist yet as far as this one knows. */
class NewerTables extends Schema.TaggedError<NewerTables>()("NewerTables", { newest: Schema.Int }) {
  override get message() {
    return (
      "a newer version of the server has changed the tables that replicas share " +
      `(to ${this.newest}; this one knows ${newestKnown})`
    )
  }
}

const refuseNewer = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly newest: number }>`SELECT MAX(migration_id) AS newest FROM ${sql(table)}`
  const newest = row?.newest ?? 0
  if (newest > newestKnown) return yield* new NewerTables({ newest })
})

/** Makes what is missing of the tables that replicas share. Fails when a newer version has altered them. */
// Without a lock, the migrator fails when two servers start in an empty database at the same time.
export const migrate = Effect.scoped(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const connection = yield* sql.reserve
    const call = (name: string) => connection.executeUnprepared(`SELECT ${name}(${lock})`, [], undefined)
    yield* Effect.acquireRelease(call("pg_advisory_lock"), () => Effect.ignore(call("pg_advisory_unlock")))
    yield* run
    yield* refuseNewer
  })
)
