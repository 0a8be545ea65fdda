import type { ExecutionEvent, ExecutionSummary, Webhook } from "@bulkhead/domain"
import type { Announcement, EndedExecution, Entry } from "@bulkhead/sandbox"
import { StoreFailure } from "@bulkhead/sandbox"
import type { SqlClient, SqlConnection } from "@effect/sql"
import { Array as Arr, Effect } from "effect"
import * as Chain from "../Audit/Chain.js"
import type { Row } from "../Database/ValuesStatements.js"
import * as ValuesStatements from "../Database/ValuesStatements.js"
import * as OutboxRows from "../Webhooks/OutboxRows.js"

/** Who writes: the instance, and its life, which is how often it has been started. */
export interface Writer {
  readonly instance: string
  readonly life: number
}

/** The rows of one group of entries. */
export interface GroupRows {
  readonly before: Chain.Head
  readonly after: Chain.Head
  /** Of the rows, and of the artifacts that they tell of. */
  readonly bytes: number
  /** With their ends, where those are of the same group. */
  readonly executions: ReadonlyArray<Row>
  readonly events: ReadonlyArray<Row>
  /** Ends of executions of earlier groups. */
  readonly ends: ReadonlyArray<Row>
  readonly usage: ReadonlyArray<Row>
  readonly artifacts: ReadonlyArray<Row>
  /** What webhooks may be told of. Which there are is looked up when the group is written. */
  readonly announcements: ReadonlyArray<Announcement.Announcement>
}

/** Bytes of a row and its index entries beside the texts, as measured on SQLite. */
export const eventOverhead = 190
export const executionOverhead = 320

interface Beginning {
  readonly execution: ExecutionSummary
  readonly webhook?: Webhook
}

const executionRow = (
  { instance, life }: Writer,
  { execution, webhook }: Beginning,
  end: EndRow | undefined
): Row => {
  const { endedAt, executionId, image, language, startedAt, state, traceId, userId, verdict } = execution
  const told = webhook === undefined ? null : JSON.stringify(webhook)
  const program = [language ?? null, image ?? null, traceId ?? null]
  const begun = [executionId, instance, life, userId, ...program, told, Math.round(startedAt)]
  if (end !== undefined) return [...begun, "ended", ...end.slice(1)]
  return [...begun, state, endedAt === undefined ? null : Math.round(endedAt), verdict ?? null, null]
}

const eventRow = (instance: string, link: Chain.Link): Row => [
  instance,
  link.sequence,
  link.timestamp,
  link.executionId,
  link.event,
  link.hash
]

type EndRow = readonly [executionId: string, endedAt: number, verdict: string, result: string | null]

const endRow = ({ endedAt, executionId, result, verdict }: EndedExecution): EndRow => [
  executionId,
  Math.round(endedAt),
  verdict,
  result === undefined ? null : JSON.stringify(result)
]

type ArtifactRow = readonly [
  executionId: string,
  name: string,
  size: number,
  sha256: string,
  mediaType: string
]

const artifactRows = ({ executionId, result }: EndedExecution) =>
  Arr.dedupeWith(result?.artifacts ?? [], (a, b) => a.name === b.name).map(
    ({ mediaType, name, sha256, size }): ArtifactRow => [executionId, name, size, sha256, mediaType]
  )

// An end does not say whose it is: the user is looked up when it is written.
const usageRows = ({ endedAt, executionId, usage }: EndedExecution): ReadonlyArray<Row> =>
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
          usage.costUsd,
          usage.networkConnections ?? null,
          usage.networkDenied ?? null,
          usage.sentBytes ?? null,
          usage.receivedBytes ?? null,
          usage.gpuSeconds
        ]
      ]

const textBytes = (texts: Iterable<string | null>) => {
  let bytes = 0
  for (const text of texts) bytes += text === null ? 0 : Buffer.byteLength(text)
  return bytes
}

/** Makes the rows of a group of entries, whose events follow `before` in the chain. */
export const make = (writer: Writer, before: Chain.Head, entries: ReadonlyArray<Entry>): GroupRows => {
  const links: Array<Chain.Link> = []
  const executions = new Map<string, Beginning>()
  const ends = new Map<string, EndedExecution>()
  const announcements: Array<Announcement.Announcement> = []
  let after = before
  const happened = (event: ExecutionEvent) => {
    const link = Chain.append(after, event)
    links.push(link)
    after = { sequence: link.sequence, hash: link.hash }
  }
  for (const entry of entries) {
    if (entry._tag === "Happened") happened(entry.event)
    else if (entry._tag === "Announced") announcements.push(entry.announcement)
    else if (entry._tag === "Began" && !executions.has(entry.execution.executionId))
      executions.set(entry.execution.executionId, entry)
    else if (entry._tag === "Ended" && !ends.has(entry.end.executionId))
      ends.set(entry.end.executionId, entry.end)
  }
  const endRows = new Map(Array.from(ends, ([executionId, end]) => [executionId, endRow(end)]))
  const ended = [...ends.values()]
  const artifacts = ended.flatMap(artifactRows)
  return {
    before,
    after,
    bytes:
      links.length * eventOverhead +
      executions.size * executionOverhead +
      textBytes(links.map(({ event }) => event)) +
      textBytes(Array.from(endRows.values(), ([, , , result]) => result)) +
      artifacts.reduce((sum, [, , size]) => sum + size, 0),
    executions: Array.from(executions, ([id, beginning]) => executionRow(writer, beginning, endRows.get(id))),
    events: links.map((link) => eventRow(writer.instance, link)),
    ends: Array.from(endRows.values()).filter(([executionId]) => !executions.has(executionId)),
    usage: ended.flatMap(usageRows),
    artifacts,
    announcements
  }
}

/** Makes the statements that write a group's rows. */
const statements = (sql: SqlClient.SqlClient) => {
  const rows = ValuesStatements.make(sql)
  // The first beginning and the first end of an execution are the ones that count.
  const executions = rows(
    `INSERT INTO executions
      (execution_id, instance, life, user_id, language, image, trace_id, webhook, started_at, state, ended_at, verdict,
        result)
      VALUES`,
    13,
    `ON CONFLICT (execution_id) DO UPDATE SET
      state = excluded.state, ended_at = excluded.ended_at, verdict = excluded.verdict, result = excluded.result
      WHERE executions.ended_at IS NULL AND excluded.ended_at IS NOT NULL`
  )
  // No conflict is expected here: nobody else may write an event with this group's numbers.
  const events = rows(
    "INSERT INTO events (instance, sequence, timestamp, execution_id, event, hash) VALUES",
    6,
    ""
  )
  const ends = rows(
    `UPDATE executions
      SET state = 'ended', ended_at = CAST(v.column2 AS BIGINT), verdict = v.column3, result = v.column4
      FROM (VALUES`,
    4,
    ") AS v WHERE executions.execution_id = v.column1 AND executions.ended_at IS NULL"
  )
  const usage = rows(
    `INSERT INTO usage
      (execution_id, user_id, ended_at, sandbox_ms, vcpu_seconds, gib_seconds, artifact_bytes, cost_usd,
        network_connections, network_denied, sent_bytes, received_bytes, gpu_seconds)
      SELECT x.execution_id, x.user_id, CAST(v.column2 AS BIGINT), CAST(v.column3 AS DOUBLE PRECISION),
        CAST(v.column4 AS DOUBLE PRECISION), CAST(v.column5 AS DOUBLE PRECISION),
        CAST(v.column6 AS DOUBLE PRECISION), CAST(v.column7 AS DOUBLE PRECISION),
        CAST(v.column8 AS DOUBLE PRECISION), CAST(v.column9 AS DOUBLE PRECISION),
        CAST(v.column10 AS DOUBLE PRECISION), CAST(v.column11 AS DOUBLE PRECISION),
        CAST(v.column12 AS DOUBLE PRECISION)
      FROM (VALUES`,
    12,
    ") AS v JOIN executions x ON x.execution_id = v.column1 WHERE true ON CONFLICT DO NOTHING"
  )
  const artifacts = rows(
    "INSERT INTO artifacts (execution_id, name, size, sha256, media_type) VALUES",
    5,
    "ON CONFLICT DO NOTHING"
  )
  return (group: GroupRows) => [
    ...executions(group.executions),
    ...events(group.events),
    ...ends(group.ends),
    ...usage(group.usage),
    ...artifacts(group.artifacts)
  ]
}

/** Moves the chain's head forward. False: this group is written already. */
const advancing = (sql: SqlClient.SqlClient, { instance, life }: Writer) => {
  const parameter = ValuesStatements.parameterOf(sql)
  const standsAt = (first: number) =>
    ["instance", "life", "sequence", "hash"]
      .map((column, index) => `${column} = ${parameter(first + index)}`)
      .join(" AND ")
  const move = `UPDATE chains
    SET sequence = ${parameter(1)}, hash = ${parameter(2)}, bytes = bytes + ${parameter(3)}
    WHERE ${standsAt(4)} RETURNING sequence`
  const look = `SELECT sequence FROM chains WHERE ${standsAt(1)}`
  const message = `Another process writes as instance '${instance}', or its row in chains was changed`

  return Effect.fnUntraced(function* (
    connection: SqlConnection.Connection,
    { after, before, bytes }: GroupRows
  ) {
    const place = ({ hash, sequence }: Chain.Head) => [instance, life, sequence, hash]
    const params = [after.sequence, after.hash, bytes, ...place(before)]
    const moved = yield* connection.execute(move, params, undefined)
    if (moved.length > 0) return true
    const written = yield* connection.execute(look, place(after), undefined)
    return written.length > 0 ? false : yield* new StoreFailure({ message })
  })
}

/**
 * Writes a group's rows, unless an earlier try did. To be run in a transaction. Gives how many messages to webhooks came
 * with them.
 */
export const inserting = (sql: SqlClient.SqlClient, writer: Writer) => {
  const advance = advancing(sql, writer)
  const statementsOf = statements(sql)
  const announce = OutboxRows.inserting(sql, writer)
  return Effect.fnUntraced(function* (connection: SqlConnection.Connection, group: GroupRows) {
    if (!(yield* advance(connection, group))) return 0
    for (const { params, text } of statementsOf(group)) yield* connection.execute(text, params, undefined)
    return group.announcements.length === 0 ? 0 : yield* announce(connection, group.announcements)
  })
}
