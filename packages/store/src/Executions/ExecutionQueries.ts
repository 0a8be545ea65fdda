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
import { Effect, Option, Order, Predicate, Record, Schema } from "effect"
import * as Chain from "../Audit/Chain.js"
import { asReadFailure, asStoreFailure } from "../Database/Failures.js"
import * as Cursor from "./Cursor.js"
import type { Writer } from "./GroupRows.js"

interface ExecutionRow {
  readonly execution_id: string
  readonly user_id: string
  readonly state: string
  readonly language: string | null
  readonly image: string | null
  readonly trace_id: string | null
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
  ...optional("image", row.image),
  ...optional("traceId", row.trace_id),
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
const EventPlace = Schema.Tuple(Schema.Number, Schema.Number, Schema.String)
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

const byStart = Order.combine(
  Order.mapInput(Order.number, ({ startedAt }: ExecutionSummary) => startedAt),
  Order.mapInput(Order.string, ({ executionId }: ExecutionSummary) => executionId)
)

/** The reading half of the store, and the taking over of what nobody else will end. */
export const make = (sql: SqlClient.SqlClient, { instance, life }: Writer) => {
  const summary = sql.literal(
    "execution_id, user_id, state, language, image, trace_id, started_at, ended_at, verdict"
  )

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

  // PostgreSQL takes no member out of JSON that has NUL or half of a surrogate pair anywhere.
  const readable = sql.literal(
    String.raw`regexp_replace(event, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\u0001', 'g')::json`
  )

  /** A member of an event's JSON. */
  const member = (name: "level" | "event") =>
    sql.onDialectOrElse({
      pg: () => sql`${readable} ->> ${sql.literal(`'${name}'`)}`,
      orElse: () => sql`event ->> ${sql.literal(`'$.${name}'`)}`
    })

  // As text: PostgreSQL takes no member out of JSON that has NUL anywhere.
  const ofMessages = sql.literal(`'%"event":"webhook_%","message":%'`)

  /**
   * An execution that was taken over has events in two chains: those of the instance that took it over come last, but for
   * what came of its messages, which any instance may have sent.
   */
  const partOf = sql`CASE WHEN event LIKE ${ofMessages} THEN 2 WHEN instance = (SELECT x.instance FROM executions x
    WHERE x.execution_id = events.execution_id) THEN 1 ELSE 0 END`

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
      ...given(
        place.value,
        ([part, sequence, instance]) =>
          sql`(${partOf}, sequence, instance) > (${part}, ${sequence}, ${instance})`
      )
    ]
    const rows = yield* sql<{
      part: number
      sequence: number | string
      instance: string
      event: string
    }>`
      SELECT ${partOf} AS part, sequence, instance, event FROM events WHERE ${sql.and(conditions)}
      ORDER BY part, sequence, instance LIMIT ${limit + 1}`
    return yield* pageOf(
      rows,
      limit,
      (row) => [row.part, Number(row.sequence), row.instance],
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
        SUM(gpu_seconds) AS "gpuSeconds", SUM(artifact_bytes) AS "artifactBytes",
        SUM(network_connections) AS "networkConnections",
        SUM(network_denied) AS "networkDenied", SUM(sent_bytes) AS "sentBytes",
        SUM(received_bytes) AS "receivedBytes", SUM(cost_usd) AS "costUsd"
      FROM usage WHERE ${sql.and(conditions)} GROUP BY user_id ORDER BY user_id LIMIT ${limit + 1}`
    return yield* pageOf(
      rows,
      limit,
      (row) => [String(row.userId)],
      (rows) =>
        decodeUsage(
          rows.map((row) =>
            Record.filter({ ...row, executions: Number(row.executions) }, Predicate.isNotNull)
          )
        )
    )
  }, asReadFailure("The usage could not be read"))

  // They are taken over in the same moment, so that no two servers end the same one.
  const unfinished = Effect.gen(function* () {
    const rows = yield* sql<ExecutionRow>`
      UPDATE executions SET instance = ${instance}, life = ${life}
      FROM (SELECT x.execution_id AS id, x.instance AS owner, x.life AS owner_life FROM executions x
        WHERE x.ended_at IS NULL AND NOT (x.instance = ${instance} AND x.life = ${life})
          AND EXISTS (SELECT 1 FROM chains c WHERE c.instance = ${instance} AND c.life = ${life})
          AND NOT EXISTS (SELECT 1 FROM leases l
            WHERE l.instance = x.instance AND l.instance <> ${instance})) AS abandoned
      WHERE execution_id = id AND ended_at IS NULL AND instance = owner AND life = owner_life
      RETURNING ${summary}`
    return (yield* decodeSummaries(rows.map(fromRow))).toSorted(byStart)
  }).pipe(
    sql.withTransaction,
    asStoreFailure("The unfinished executions could not be taken over"),
    Effect.withSpan("SqlExecutionStore.unfinished")
  )

  return { find, list, events, usage, unfinished }
}
