import {
  ExecutionRecord,
  ExecutionResult,
  ExecutionSummary,
  type Page,
  type PageRequest,
  UserUsage,
  usualPage
} from "@bulkhead/domain"
import type { ExecutionStore } from "@bulkhead/sandbox"
import type { SqlClient, Statement } from "@effect/sql"
import { Effect, Option, Schema } from "effect"
import * as Chain from "../Audit/Chain.js"
import { asReadFailure } from "../Database/Failures.js"
import * as Cursor from "./Cursor.js"
import type { Writer } from "./GroupRows.js"

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

/** No member where a column is null. */
const optional = <A>(key: string, value: A | null | undefined) =>
  value === null || value === undefined ? {} : { [key]: value }

// PostgreSQL gives 64-bit integers as text.
const fromRow = (row: ExecutionRow) => ({
  executionId: row.execution_id,
  userId: row.user_id,
  state: row.state,
  startedAt: Number(row.started_at),
  ...optional("language", row.language),
  ...optional("endedAt", row.ended_at === null ? null : Number(row.ended_at)),
  ...optional("verdict", row.verdict),
  ...optional("result", row.result)
})

const decodeSummaries = Schema.decodeUnknown(Schema.Array(ExecutionSummary))
const decodeRecord = Schema.decodeUnknown(
  Schema.Struct({ ...ExecutionRecord.fields, result: Schema.optional(Schema.parseJson(ExecutionResult)) })
)
const decodeUsage = Schema.decodeUnknown(Schema.Array(UserUsage))

const ExecutionPlace = Schema.Tuple(Schema.Number, Schema.String)
const EventPlace = Schema.Tuple(Schema.Number, Schema.String)
const UsagePlace = Schema.Tuple(Schema.String)

/** The place after which a page begins; undefined: at the start. None: the cursor is not one of ours. */
const placeOf = <A extends ReadonlyArray<string | number>, I>(
  place: Schema.Schema<A, I>,
  { cursor }: PageRequest
): Option.Option<A | undefined> =>
  cursor === undefined ? Option.some(undefined) : Cursor.decode(place)(cursor)

const emptyPage = { items: [] }

/** A page of rows, which are one more than asked for where there is another page. */
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

/** A condition on what the query names, if it names it. */
const given = <A>(value: A | undefined, condition: (value: A) => Statement.Fragment) =>
  value === undefined ? [] : [condition(value)]

/** The reading half of the store. */
export const make = (sql: SqlClient.SqlClient, { instance, life }: Writer) => {
  const summary = sql.literal("execution_id, user_id, state, language, started_at, ended_at, verdict")

  const find: ExecutionStore["Type"]["find"] = Effect.fn("SqlExecutionStore.find")(function* (executionId) {
    const rows = yield* sql<ExecutionRow>`
      SELECT ${summary}, result FROM executions WHERE execution_id = ${executionId}`
    const row = rows[0]
    return row === undefined ? Option.none() : Option.some(yield* decodeRecord(fromRow(row)))
  }, asReadFailure("The execution could not be read"))

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
  }, asReadFailure("The executions could not be read"))

  /** A member of an event's JSON. */
  const member = (name: "level" | "event") =>
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
      ...given(level, (level) => sql`${member("level")} = ${level}`),
      ...given(event, (event) => sql`${member("event")} = ${event}`),
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
  }, asReadFailure("The events could not be read"))

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
  }, asReadFailure("The usage could not be read"))

  const unfinished = Effect.gen(function* () {
    const rows = yield* sql<ExecutionRow>`
      SELECT ${summary} FROM executions
      WHERE instance = ${instance} AND ended_at IS NULL AND life < ${life}
      ORDER BY started_at, execution_id`
    return yield* decodeSummaries(rows.map(fromRow))
  }).pipe(
    asReadFailure("The unfinished executions could not be read"),
    Effect.withSpan("SqlExecutionStore.unfinished")
  )

  return { find, list, events, usage, unfinished }
}
