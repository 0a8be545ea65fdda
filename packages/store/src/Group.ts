import type { ExecutionEvent, ExecutionSummary } from "@bulkhead/domain"
import type { EndedExecution, Entry } from "@bulkhead/sandbox"
import { StoreFailure } from "@bulkhead/sandbox"
import type { SqlClient } from "@effect/sql"
import { Array as Arr, Effect } from "effect"
import * as Chain from "./Chain.js"

/** Who writes: the instance, and how often it has been started. */
export interface Writer {
  readonly instance: string
  readonly life: number
}

/** Entries as rows, made once, so that a second try writes the very same. */
export interface Group {
  readonly before: Chain.Head
  readonly after: Chain.Head
  readonly bytes: number
  readonly executions: ReadonlyArray<Record<string, unknown>>
  readonly events: ReadonlyArray<Record<string, unknown>>
  readonly ends: ReadonlyArray<
    readonly [executionId: string, endedAt: number, verdict: string, result: string | null]
  >
  readonly usage: ReadonlyArray<ReadonlyArray<string | number>>
  readonly artifacts: ReadonlyArray<Record<string, unknown>>
}

/** Bytes that rows and their indexes take beside the texts, as measured on SQLite. */
export const eventOverhead = 190
export const executionOverhead = 320

/** Rows of one statement: SQLite takes 32,766 parameters. */
const rowsAtOnce = 1000

const executionRow = ({ instance, life }: Writer, execution: ExecutionSummary) => ({
  execution_id: execution.executionId,
  instance,
  life,
  user_id: execution.userId,
  state: execution.state,
  language: execution.language ?? null,
  started_at: Math.round(execution.startedAt),
  ended_at: execution.endedAt === undefined ? null : Math.round(execution.endedAt),
  verdict: execution.verdict ?? null
})

const eventRow = (instance: string, link: Chain.Link) => ({
  instance,
  sequence: link.sequence,
  timestamp: link.timestamp,
  execution_id: link.executionId,
  event: link.event,
  hash: link.hash
})

const endRow = ({ endedAt, executionId, result, verdict }: EndedExecution): Group["ends"][number] => [
  executionId,
  Math.round(endedAt),
  verdict,
  result === undefined ? null : JSON.stringify(result)
]

const artifactRows = ({ executionId, result }: EndedExecution) =>
  Arr.dedupeWith(result?.artifacts ?? [], (a, b) => a.name === b.name).map(
    ({ mediaType, name, sha256, size }) => ({
      execution_id: executionId,
      name,
      size,
      sha256,
      media_type: mediaType
    })
  )

// An end does not say whose it is: the user is looked up when it is written.
const usageRows = ({ endedAt, executionId, usage }: EndedExecution): Group["usage"] =>
  usage === undefined
    ? []
    : [
        [
          executionId,
          Math.round(endedAt),
          usage.sandboxMs,
          usage.vcpuSeconds,
          usage.gibSeconds,
          usage.artifactBytes,
          usage.costUsd
        ]
      ]

/** Makes one group of rows of entries, after where the chain stands. */
export const make = (writer: Writer, before: Chain.Head, entries: ReadonlyArray<Entry>): Group => {
  const links: Array<Chain.Link> = []
  const executions = new Map<string, Record<string, unknown>>()
  const ends = new Map<string, EndedExecution>()
  let after = before
  const happened = (event: ExecutionEvent) => {
    const link = Chain.append(after, event)
    links.push(link)
    after = { sequence: link.sequence, hash: link.hash }
  }
  for (const entry of entries) {
    if (entry._tag === "Happened") happened(entry.event)
    else if (entry._tag === "Began" && !executions.has(entry.execution.executionId))
      executions.set(entry.execution.executionId, executionRow(writer, entry.execution))
    else if (entry._tag === "Ended" && !ends.has(entry.end.executionId))
      ends.set(entry.end.executionId, entry.end)
  }
  const endRows = [...ends.values()].map(endRow)
  const textBytes = (texts: ReadonlyArray<string | null>) =>
    texts.reduce((bytes, text) => bytes + (text === null ? 0 : Buffer.byteLength(text)), 0)
  return {
    before,
    after,
    bytes:
      links.length * eventOverhead +
      executions.size * executionOverhead +
      textBytes(links.map(({ event }) => event)) +
      textBytes(endRows.map(([, , , result]) => result)),
    executions: [...executions.values()],
    events: links.map((link) => eventRow(writer.instance, link)),
    ends: endRows,
    usage: [...ends.values()].flatMap(usageRows),
    artifacts: [...ends.values()].flatMap(artifactRows)
  }
}

const pieces = <A>(rows: ReadonlyArray<A>) => Arr.chunksOf(rows, rowsAtOnce)

const values = (sql: SqlClient.SqlClient, rows: ReadonlyArray<ReadonlyArray<string | number | null>>) =>
  sql.csv(rows.map((row) => sql`(${sql.csv(row.map((value) => sql`${value}`))})`))

const insert = (
  sql: SqlClient.SqlClient,
  table: "executions" | "events" | "artifacts",
  rows: ReadonlyArray<Record<string, unknown>>
) =>
  Effect.forEach(
    pieces(rows),
    (piece) =>
      // An event that is there already is never right: its number is this group's alone.
      table === "events"
        ? sql`INSERT INTO ${sql(table)} ${sql.insert(piece)}`
        : sql`INSERT INTO ${sql(table)} ${sql.insert(piece)} ON CONFLICT DO NOTHING`,
    { discard: true }
  )

// The first end of an execution is the one that counts.
const end = (sql: SqlClient.SqlClient, rows: Group["ends"]) =>
  Effect.forEach(
    pieces(rows),
    (piece) =>
      sql`UPDATE executions
        SET state = 'ended', ended_at = CAST(v.column2 AS BIGINT), verdict = v.column3, result = v.column4
        FROM (VALUES ${values(sql, piece)}) AS v
        WHERE executions.execution_id = v.column1 AND executions.ended_at IS NULL`,
    { discard: true }
  )

const use = (sql: SqlClient.SqlClient, rows: Group["usage"]) =>
  Effect.forEach(
    pieces(rows),
    (piece) =>
      sql`INSERT INTO usage
          (execution_id, user_id, ended_at, sandbox_ms, vcpu_seconds, gib_seconds, artifact_bytes, cost_usd)
        SELECT x.execution_id, x.user_id, CAST(v.column2 AS BIGINT), CAST(v.column3 AS DOUBLE PRECISION),
          CAST(v.column4 AS DOUBLE PRECISION), CAST(v.column5 AS DOUBLE PRECISION),
          CAST(v.column6 AS DOUBLE PRECISION), CAST(v.column7 AS DOUBLE PRECISION)
        FROM (VALUES ${values(sql, piece)}) AS v JOIN executions x ON x.execution_id = v.column1
        WHERE true
        ON CONFLICT DO NOTHING`,
    { discard: true }
  )

/** Moves the chain's head on. False: this group is kept already. */
const advance = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  { instance, life }: Writer,
  { after, before, bytes }: Group
) {
  const moved = yield* sql`UPDATE chains
    SET sequence = ${after.sequence}, hash = ${after.hash}, bytes = bytes + ${bytes}
    WHERE instance = ${instance} AND life = ${life} AND sequence = ${before.sequence} AND hash = ${before.hash}
    RETURNING sequence`
  if (moved.length > 0) return true
  const kept = yield* sql`SELECT sequence FROM chains
    WHERE instance = ${instance} AND life = ${life} AND sequence = ${after.sequence} AND hash = ${after.hash}`
  if (kept.length > 0) return false
  const message = `Another process writes as instance '${instance}', or its row in chains was changed`
  return yield* new StoreFailure({ message })
})

/** Writes a group; to be run in a transaction. A group that was kept in an earlier try is left alone. */
export const keep = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, writer: Writer, group: Group) {
  if (!(yield* advance(sql, writer, group))) return
  yield* insert(sql, "executions", group.executions)
  yield* insert(sql, "events", group.events)
  yield* end(sql, group.ends)
  yield* use(sql, group.usage)
  yield* insert(sql, "artifacts", group.artifacts)
})
