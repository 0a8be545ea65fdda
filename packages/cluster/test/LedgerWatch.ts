import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

// Has PostgreSQL itself write down what becomes of the ledger and of artifacts, and which of its users did it.

/** Users of the database by whom replicas can be told apart. */
export const addUsers = (names: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(names, (name) => sql`CREATE ROLE ${sql(name)} SUPERUSER LOGIN`, { discard: true })
  )

/** Once the tables are there. Whoever is to be told apart uses the database as a user of its own. */
export const install = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const statements = [
    `CREATE TABLE watched_permits (
      number BIGSERIAL PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
      transaction BIGINT NOT NULL DEFAULT txid_current(),
      execution_id TEXT NOT NULL, user_id TEXT NOT NULL, is_given BOOLEAN NOT NULL
    )`,
    `CREATE TABLE watched_owners (
      epoch BIGINT PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), replica TEXT NOT NULL
    )`,
    `CREATE FUNCTION watch_permits() RETURNS trigger AS $$ BEGIN
      IF TG_OP = 'INSERT'
      THEN INSERT INTO watched_permits (execution_id, user_id, is_given) VALUES (NEW.execution_id, NEW.user_id, true);
      ELSE INSERT INTO watched_permits (execution_id, user_id, is_given) VALUES (OLD.execution_id, OLD.user_id, false);
      END IF;
      RETURN NULL;
    END $$ LANGUAGE plpgsql`,
    `CREATE FUNCTION watch_owners() RETURNS trigger AS $$ BEGIN
      INSERT INTO watched_owners (epoch, replica) VALUES (NEW.epoch, session_user);
      RETURN NULL;
    END $$ LANGUAGE plpgsql`,
    `CREATE TABLE watched_files (
      number BIGSERIAL PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
      replica TEXT NOT NULL, execution_id TEXT NOT NULL, file_id TEXT NOT NULL, state TEXT NOT NULL
    )`,
    `CREATE FUNCTION watch_files() RETURNS trigger AS $$ BEGIN
      IF TG_OP = 'DELETE'
      THEN INSERT INTO watched_files (replica, execution_id, file_id, state)
        VALUES (session_user, OLD.execution_id, OLD.file_id, 'gone');
      ELSE INSERT INTO watched_files (replica, execution_id, file_id, state)
        VALUES (session_user, NEW.execution_id, NEW.file_id, NEW.state);
      END IF;
      RETURN NULL;
    END $$ LANGUAGE plpgsql`,
    `CREATE TRIGGER watched AFTER INSERT OR UPDATE OR DELETE ON artifact_files
      FOR EACH ROW EXECUTE FUNCTION watch_files()`,
    `CREATE TRIGGER watched AFTER INSERT OR DELETE ON admission_permits
      FOR EACH ROW EXECUTE FUNCTION watch_permits()`,
    `CREATE TRIGGER watched AFTER UPDATE ON admission
      FOR EACH ROW WHEN (OLD.epoch <> NEW.epoch) EXECUTE FUNCTION watch_owners()`
  ]
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})

/** Whether an instance counts as alive. */
export const holdsLease = (instance: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql`SELECT 1 FROM leases WHERE instance = ${instance}`, (rows) => rows.length > 0)
  )

/** What became of an execution's artifacts, and by which user of the database, in words. */
export const filesOf = (executionId: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly line: string }>`
        SELECT at::text || ' ' || replica || ' ' || file_id || ' ' || state AS line
        FROM watched_files WHERE execution_id = ${executionId} ORDER BY number`,
      (rows) => rows.map(({ line }) => line)
    )
  )

/** Milliseconds, of the machine's clock. */
const at = "(extract(epoch FROM at) * 1000)::double precision AS at"

/**
 * Every permit that was given or struck off since then, and who owned admission from when on. What one statement does is
 * done at once: what it strikes off comes first.
 */
export const read = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const permits = yield* sql<{
    readonly execution_id: string
    readonly user_id: string
    readonly at: number
    readonly is_given: boolean
  }>`SELECT execution_id, user_id, is_given, ${sql.literal(at)} FROM watched_permits
    ORDER BY min(number) OVER (PARTITION BY transaction), is_given, number`
  const owners = yield* sql<{ readonly replica: string; readonly at: number }>`
    SELECT replica, ${sql.literal(at)} FROM watched_owners ORDER BY epoch`
  return {
    ledger: permits.map(({ at, execution_id, is_given, user_id }) => ({
      executionId: execution_id,
      userId: user_id,
      at,
      isGiven: is_given
    })),
    owners
  }
})

/** How many permits the ledger has of a life of a replica, and whether that is known to be over. */
export const lifeOf = (session: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const permits = yield* sql`SELECT number FROM admission_permits WHERE session = ${session}`
    const [life] = yield* sql<{ readonly isOver: boolean }>`
      SELECT ended_at IS NOT NULL AS "isOver" FROM admission_sessions WHERE session = ${session}`
    return { permits: permits.length, isOver: life?.isOver }
  })
