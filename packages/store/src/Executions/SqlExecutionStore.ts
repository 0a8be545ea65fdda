import {
  ExecutionRecord,
  ExecutionResult,
  ExecutionSummary,
  type Page,
  type PageRequest,
  UserUsage,
  usualPage
} from "@bulkhead/domain"
import { ExecutionStore, type StoreFailure } from "@bulkhead/sandbox"
import { SqlClient, type Statement } from "@effect/sql"
import { Duration, Effect, Layer, Option, Schema } from "effect"
import * as Chain from "../Audit/Chain.js"
import * as Verification from "../Audit/Verification.js"
import * as Bounded from "../Bounded.js"
import { asStoreFailure } from "../Database/Failures.js"
import * as Transaction from "../Database/Transaction.js"
import * as Cursor from "./Cursor.js"
import * as GroupCommit from "./GroupCommit.js"
import * as GroupRows from "./GroupRows.js"

export interface SqlExecutionStoreOptions extends GroupCommit.GroupCommitOptions {
  /**
   * The name this server keeps through restarts, and shares with no other that runs: its events are one chain of their own.
   * When two write under one name, the one that started later goes on, and every commit of the other fails. Default `main`.
   */
  readonly instance?: string
}

/** How long one group may take until it counts as failed, and is tried again. */
const keepBound = Duration.seconds(30)

interface ExecutionRow {
  readonly execution_id: string
  readonly user_id: string
  readonly state: string
  readonly language: string | null
  readonly started_at: number | string
  readonly ended_at: number | string | null
  readonly verdict: string | null
  readonly result?: string | null
}

const present = <A, B>(key: string, value: A | null | undefined, as: (value: A) => B) =>
  value === null || value === undefined ? {} : { [key]: as(value) }

const same = <A>(value: A) => value

// PostgreSQL gives 64-bit integers as text.
const fromRow = (row: ExecutionRow) => ({
  executionId: row.execution_id,
  userId: row.user_id,
  state: row.state,
  startedAt: Number(row.started_at),
  ...present("language", row.language, same),
  ...present("endedAt", row.ended_at, Number),
  ...present("verdict", row.verdict, same),
  ...present("result", row.result, same)
})

const decodeSummaries = Schema.decodeUnknown(Schema.Array(ExecutionSummary))
const decodeRecord = Schema.decodeUnknown(
  Schema.Struct({ ...ExecutionRecord.fields, result: Schema.optional(Schema.parseJson(ExecutionResult)) })
)
const decodeUsage = Schema.decodeUnknown(Schema.Array(UserUsage))

const ExecutionPlace = Schema.Tuple(Schema.Number, Schema.String)
const EventPlace = Schema.Tuple(Schema.Number, Schema.String)
const UsagePlace = Schema.Tuple(Schema.String)

/** Where a page begins: at the start, after a place, or nowhere, since nobody gave out such a cursor. */
const placeOf = <A extends ReadonlyArray<string | number>, I>(
  place: Schema.Schema<A, I>,
  { cursor }: PageRequest
): Option.Option<A | undefined> =>
  cursor === undefined ? Option.some(undefined) : Cursor.decode(place)(cursor)

const emptyPage = { items: [] }

/** One row more than asked for tells whether there is another page. */
const pageOf = <Row, A, E>(
  rows: ReadonlyArray<Row>,
  limit: number,
  placeOf: (row: Row) => ReadonlyArray<string | number>,
  decode: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<A>, E>
): Effect.Effect<Page<A>, E> => {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return Effect.map(decode(shown), (items) =>
    rows.length > limit && last !== undefined
      ? { items, nextCursor: Cursor.encode(placeOf(last)) }
      : { items }
  )
}

const given = <A>(value: A | undefined, condition: (value: A) => Statement.Fragment) =>
  value === undefined ? [] : [condition(value)]

const reads = (sql: SqlClient.SqlClient) => {
  const summary = sql.literal("execution_id, user_id, state, language, started_at, ended_at, verdict")

  const find: ExecutionStore["Type"]["find"] = Effect.fn("SqlExecutionStore.find")(function* (executionId) {
    const rows = yield* sql<ExecutionRow>`
      SELECT ${summary}, result FROM executions WHERE execution_id = ${executionId}`
    const row = rows[0]
    return row === undefined ? Option.none() : Option.some(yield* decodeRecord(fromRow(row)))
  }, asStoreFailure("The execution could not be read"))

  const list: ExecutionStore["Type"]["list"] = Effect.fn("SqlExecutionStore.list")(function* (query) {
    const { from, limit = usualPage, state, to, userId, verdict } = query
    const place = placeOf(ExecutionPlace, query)
    if (Option.isNone(place)) return emptyPage
    const conditions = [
      ...given(userId, (user) => sql`user_id = ${user}`),
      ...given(verdict, (verdict) => sql`verdict = ${verdict}`),
      ...given(state, (state) =>
        state === "ended" ? sql`state = 'ended'` : sql`ended_at IS NULL AND state = ${state}`
      ),
      ...given(from, (from) => sql`started_at >= ${Math.ceil(from)}`),
      ...given(to, (to) => sql`started_at < ${Math.ceil(to)}`),
      ...given(place.value, ([startedAt, id]) => sql`(started_at, execution_id) < (${startedAt}, ${id})`)
    ]
    const rows = yield* sql<ExecutionRow>`
      SELECT ${summary} FROM executions WHERE ${sql.and(conditions)}
      ORDER BY started_at DESC, execution_id DESC LIMIT ${limit + 1}`
    return yield* pageOf(
      rows,
      limit,
      (row) => [Number(row.started_at), row.execution_id],
      (rows) => decodeSummaries(rows.map(fromRow))
    )
  }, asStoreFailure("The executions could not be read"))

  /** What an event's text says under a name. */
  const said = (name: "level" | "event") =>
    sql.onDialectOrElse({
      pg: () => sql`event::json ->> ${sql.literal(`'${name}'`)}`,
      orElse: () => sql`event ->> ${sql.literal(`'$.${name}'`)}`
    })

  const events: ExecutionStore["Type"]["events"] = Effect.fn("SqlExecutionStore.events")(function* (
    executionId,
    query
  ) {
    const { event, from, level, limit = usualPage, to } = query
    const place = placeOf(EventPlace, query)
    if (Option.isNone(place)) return emptyPage
    const conditions = [
      sql`execution_id = ${executionId}`,
      ...given(level, (level) => sql`${said("level")} = ${level}`),
      ...given(event, (event) => sql`${said("event")} = ${event}`),
      ...given(from, (from) => sql`timestamp >= ${Math.ceil(from)}`),
      ...given(to, (to) => sql`timestamp < ${Math.ceil(to)}`),
      ...given(place.value, ([sequence, instance]) => sql`(sequence, instance) > (${sequence}, ${instance})`)
    ]
    const rows = yield* sql<{ sequence: number | string; instance: string; event: string }>`
      SELECT sequence, instance, event FROM events WHERE ${sql.and(conditions)}
      ORDER BY sequence, instance LIMIT ${limit + 1}`
    return yield* pageOf(
      rows,
      limit,
      (row) => [Number(row.sequence), row.instance],
      (rows) => Chain.decodeEvents(rows.map((row) => row.event))
    )
  }, asStoreFailure("The events could not be read"))

  const usage: ExecutionStore["Type"]["usage"] = Effect.fn("SqlExecutionStore.usage")(function* (query) {
    const { from, limit = usualPage, to, userId } = query
    const place = placeOf(UsagePlace, query)
    if (Option.isNone(place)) return emptyPage
    const conditions = [
      ...given(userId, (user) => sql`user_id = ${user}`),
      ...given(from, (from) => sql`ended_at >= ${Math.ceil(from)}`),
      ...given(to, (to) => sql`ended_at < ${Math.ceil(to)}`),
      ...given(place.value, ([user]) => sql`user_id > ${user}`)
    ]
    const rows = yield* sql<Record<keyof UserUsage, string | number>>`
      SELECT user_id AS "userId", COUNT(*) AS executions, SUM(sandbox_ms) AS "sandboxMs",
        SUM(vcpu_seconds) AS "vcpuSeconds", SUM(gib_seconds) AS "gibSeconds",
        SUM(artifact_bytes) AS "artifactBytes", SUM(cost_usd) AS "costUsd"
      FROM usage WHERE ${sql.and(conditions)} GROUP BY user_id ORDER BY user_id LIMIT ${limit + 1}`
    return yield* pageOf(
      rows,
      limit,
      (row) => [String(row.userId)],
      (rows) => decodeUsage(rows.map((row) => ({ ...row, executions: Number(row.executions) })))
    )
  }, asStoreFailure("The usage could not be read"))

  return { find, list, events, usage }
}

interface ChainRow {
  readonly life: number | string
  readonly sequence: number | string
  readonly hash: string
}

const headOf = ({ hash, sequence }: Omit<ChainRow, "life">): Chain.Head => ({
  sequence: Number(sequence),
  hash
})

/** Takes the instance's chain up where it was left. From now on, earlier lives cannot write to it. */
const takeUp = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, instance: string) {
  const lastEvent = yield* sql<ChainRow>`
    SELECT sequence, hash FROM events WHERE instance = ${instance} ORDER BY sequence DESC LIMIT 1`
  const { hash, sequence } = lastEvent[0] ? headOf(lastEvent[0]) : Chain.genesis
  yield* sql`INSERT INTO chains ${sql.insert({
    instance,
    life: 0,
    sequence,
    hash,
    removed_sequence: 0,
    removed_hash: Chain.genesis.hash,
    bytes: 0
  })} ON CONFLICT DO NOTHING`
  const [row] = yield* sql<ChainRow>`
    UPDATE chains SET life = life + 1 WHERE instance = ${instance} RETURNING life, sequence, hash`
  return row === undefined
    ? yield* Effect.dieMessage(`The chain of instance '${instance}' is gone`)
    : { writer: { instance, life: Number(row.life) }, head: headOf(row) }
})

const make = Effect.fnUntraced(function* ({ instance = "main", ...options }: SqlExecutionStoreOptions) {
  const sql = yield* SqlClient.SqlClient
  const taken = yield* sql
    .withTransaction(takeUp(sql, instance))
    .pipe(asStoreFailure("The store could not be opened"))
  const { writer } = taken
  let head = taken.head

  const bounded = yield* Bounded.make(
    keepBound,
    () => new Error(`no answer within ${Duration.format(keepBound)}`)
  )
  const transaction = Transaction.make(sql)
  const keepRows = GroupRows.keeping(sql, writer)
  const keep = (group: GroupRows.GroupRows) =>
    bounded(transaction((connection) => keepRows(connection, group))).pipe(
      asStoreFailure("The store could not be written"),
      Effect.tap(() => {
        head = group.after
      })
    )
  const { commit, ready, write } = yield* GroupCommit.make(
    { prepare: (entries) => GroupRows.make(writer, head, entries), keep },
    options
  )

  const unfinished = Effect.gen(function* () {
    const rows = yield* sql<ExecutionRow>`
      SELECT execution_id, user_id, state, language, started_at, ended_at, verdict FROM executions
      WHERE instance = ${instance} AND ended_at IS NULL AND life < ${writer.life}
      ORDER BY started_at, execution_id`
    return yield* decodeSummaries(rows.map(fromRow))
  }).pipe(
    asStoreFailure("The unfinished executions could not be read"),
    Effect.withSpan("SqlExecutionStore.unfinished")
  )

  const verify = Verification.verify(sql, instance).pipe(
    asStoreFailure("The audit log could not be read"),
    Effect.withSpan("SqlExecutionStore.verify")
  )

  return ExecutionStore.of({ ...reads(sql), write, commit, ready, verify, unfinished })
})

/**
 * The books in SQL, in the tables that `SqliteStore` and `PostgresStore` make. A write costs microseconds; a fiber of its own keeps
 * what was taken in, in groups, each in one transaction: at once when somebody waits, or else within `linger`. When that fails, what
 * was taken in is held in memory and tried again until it succeeds, and all commits fail meanwhile; beyond `maxHeld` bytes further
 * entries are dropped, and the loss is logged.
 * A cursor that nobody gave out leads to an empty page.
 */
export const layer = (
  options: SqlExecutionStoreOptions = {}
): Layer.Layer<ExecutionStore, StoreFailure, SqlClient.SqlClient> =>
  Layer.scoped(ExecutionStore, make(options))
