import { SqlClient, type SqlError } from "@effect/sql"
import { Effect, Layer, Schema } from "effect"
import { Deposed, LedgerFailure, type Permit, type PermitKey, PermitLedger } from "./PermitLedger.js"
import { type Session, SessionId, VersionedLimits } from "./Protocol.js"
import * as Tables from "./Tables.js"

interface PermitRow {
  readonly session: string
  readonly number: string
  readonly execution_id: string
  readonly user_id: string
  readonly gpu_kind: string | null
  readonly gpu_count: number | null
}

const LimitsText = Schema.parseJson(VersionedLimits)
const encodeLimits = Schema.encode(LimitsText)

/** What another version wrote may be out of this one's bounds, and an owner must be able to begin. */
const readLimits = (text: string | null) =>
  text === null
    ? Effect.succeed(undefined)
    : Effect.catchAll(Schema.decode(LimitsText)(text), (flaw) =>
        Effect.as(
          Effect.logWarning(
            "The limits that were changed are none of this version, so its own are in force",
            flaw
          ),
          undefined
        )
      )

const gpusOf = ({ gpu_count, gpu_kind }: PermitRow) =>
  gpu_kind === null || gpu_count === null ? {} : { gpus: { kind: gpu_kind, count: gpu_count } }

const fromRow = (row: PermitRow) =>
  ({
    session: SessionId.make(row.session),
    // PostgreSQL gives 64-bit integers as text.
    number: Number(row.number),
    executionId: row.execution_id,
    userId: row.user_id,
    ...gpusOf(row)
  }) as Permit

const failing = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, LedgerFailure> =>
  Effect.mapError(effect, (cause) => new LedgerFailure({ cause }))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Tables.migrate

  /** Of one statement that is fenced: whether the fence was there. Only what is one statement cannot be left half done. */
  const fenced = (epoch: number, statement: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>) =>
    Effect.flatMap(failing(statement), (rows) => (rows.length > 0 ? Effect.void : new Deposed({ epoch })))

  // A later owner has to wait for the row until the statement is over, and then finds what it wrote.
  const fence = (epoch: number) => sql`SELECT epoch FROM admission WHERE epoch = ${epoch} FOR SHARE`

  const livingSessions = Effect.map(
    sql<{ readonly session: string; readonly instance: string }>`
      SELECT session, instance FROM admission_sessions WHERE ended_at IS NULL ORDER BY session`,
    (rows) => rows.map(({ instance, session }): Session => ({ id: SessionId.make(session), instance }))
  )

  const open = Effect.gen(function* () {
    const [owner] = yield* sql<{ readonly epoch: string; readonly limits: string | null }>`
      UPDATE admission SET epoch = epoch + 1 RETURNING epoch, limits`
    yield* sql`DELETE FROM admission_sessions WHERE ended_at < now() - interval '1 day'`
    const permits = yield* sql<PermitRow>`
        SELECT session, number, execution_id, user_id, gpu_kind, gpu_count FROM admission_permits`
    const over = yield* sql<{ readonly session: string }>`
      SELECT session FROM admission_sessions WHERE ended_at IS NOT NULL`
    return {
      epoch: Number(owner?.epoch),
      permits: permits.map(fromRow),
      sessions: yield* livingSessions,
      over: over.map(({ session }) => SessionId.make(session)),
      limits: yield* readLimits(owner?.limits ?? null)
    }
  })

  return PermitLedger.of({
    open: failing(open),
    write: (epoch, { granted, returned }) =>
      fenced(
        epoch,
        sql`WITH fence AS (${fence(epoch)}),
          back AS (
            DELETE FROM admission_permits p
            USING fence, jsonb_to_recordset(${JSON.stringify(keysOf(returned))}::jsonb)
              AS r(session text, number bigint)
            WHERE p.session = r.session AND p.number = r.number
          ),
          given AS (
            INSERT INTO admission_permits (session, number, execution_id, user_id, gpu_kind, gpu_count)
            SELECT g.session, g.number, g.execution_id, g.user_id, g.gpu_kind, g.gpu_count
            FROM fence, jsonb_to_recordset(${JSON.stringify(rowsOf(granted))}::jsonb)
              AS g(session text, number bigint, execution_id text, user_id text, gpu_kind text, gpu_count integer)
            ON CONFLICT DO NOTHING
          )
          SELECT epoch FROM fence`
      ),
    join: (epoch, { id, instance }) =>
      fenced(
        epoch,
        sql`WITH fence AS (${fence(epoch)}),
          joined AS (
            INSERT INTO admission_sessions (session, instance)
            SELECT ${id}, ${instance} FROM fence ON CONFLICT DO NOTHING
          )
          SELECT epoch FROM fence`
      ),
    end: (epoch, session) =>
      fenced(
        epoch,
        sql`WITH fence AS (${fence(epoch)}),
          back AS (DELETE FROM admission_permits p USING fence WHERE p.session = ${session}),
          ended AS (UPDATE admission_sessions s SET ended_at = now() FROM fence WHERE s.session = ${session})
          SELECT epoch FROM fence`
      ),
    setLimits: (epoch, limits) =>
      Effect.flatMap(failing(encodeLimits(limits)), (text) =>
        fenced(epoch, sql`UPDATE admission SET limits = ${text} WHERE epoch = ${epoch} RETURNING epoch`)
      ),
    sessions: failing(livingSessions)
  })
})

const keysOf = (keys: ReadonlyArray<PermitKey>) => keys.map(({ number, session }) => ({ session, number }))

const rowsOf = (permits: ReadonlyArray<Permit>) =>
  permits.map(({ executionId, gpus, number, session, userId }) => ({
    session,
    number,
    execution_id: executionId,
    user_id: userId,
    gpu_kind: gpus?.kind ?? null,
    gpu_count: gpus?.count ?? null
  }))

/** The ledger in PostgreSQL, with its tables, which it makes. */
export const layer: Layer.Layer<PermitLedger, LedgerFailure, SqlClient.SqlClient> = Layer.effect(
  PermitLedger,
  Effect.flatMap(SqlClient.SqlClient, (sql) => failing(Effect.provideService(make, SqlClient.SqlClient, sql)))
)
