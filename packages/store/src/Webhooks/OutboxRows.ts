import { type ExecutionId, type ExecutionState, UserId, Webhook } from "@bulkhead/domain"
import { Announcement, mostPending } from "@bulkhead/sandbox"
import type { SqlClient, SqlConnection } from "@effect/sql"
import { Effect, Schema } from "effect"
import * as ValuesStatements from "../Database/ValuesStatements.js"
import type { Writer } from "../Executions/GroupRows.js"

/** An execution whose webhooks there are: its own, and its user's standing ones. */
interface TargetRow {
  readonly execution_id: string
  readonly user_id: string
  readonly state: string
  readonly language: string | null
  readonly image: string | null
  readonly trace_id: string | null
  readonly started_at: number | string
  readonly webhook: string | null
  readonly webhooks: string | null
}

interface Targets {
  readonly execution: Announcement.Announced
  readonly webhooks: ReadonlyArray<Webhook>
}

const decodeOwn = Schema.decodeUnknown(Schema.parseJson(Schema.typeSchema(Webhook)))
const decodeStanding = Schema.decodeUnknown(Schema.parseJson(Schema.Array(Schema.typeSchema(Webhook))))

const targetsOf = Effect.fnUntraced(function* (row: TargetRow) {
  const own = row.webhook === null ? [] : [yield* decodeOwn(row.webhook)]
  const standing = row.webhooks === null ? [] : yield* decodeStanding(row.webhooks)
  const execution: Announcement.Announced = {
    executionId: row.execution_id as ExecutionId,
    userId: UserId.make(row.user_id),
    state: row.state as ExecutionState,
    ...(row.language === null ? {} : { language: row.language }),
    ...(row.image === null ? {} : { image: row.image }),
    ...(row.trace_id === null ? {} : { traceId: row.trace_id }),
    startedAt: Number(row.started_at)
  }
  return { execution, webhooks: [...own, ...standing] } satisfies Targets
})

/** Makes the messages of a group's announcements. To be run in the transaction of the group, after its other rows. */
export const inserting = (sql: SqlClient.SqlClient, { instance, life }: Writer) => {
  const rows = ValuesStatements.make(sql)
  const targets = rows(
    `SELECT x.execution_id, x.user_id, x.state, x.language, x.image, x.trace_id, x.started_at, x.webhook,
        u.webhooks
      FROM executions x LEFT JOIN user_webhooks u ON u.user_id = x.user_id
      WHERE (x.webhook IS NOT NULL OR u.webhooks IS NOT NULL) AND x.execution_id IN (VALUES`,
    1,
    ")"
  )
  const pending = rows(
    `SELECT user_id, COUNT(*) AS pending FROM webhook_messages
      WHERE state = 'pending' AND user_id IN (VALUES`,
    1,
    ") GROUP BY user_id"
  )
  const messages = rows(
    `INSERT INTO webhook_messages (message_id, instance, life, execution_id, user_id, event, url, receiver, body, state,
      attempts, created_at, since, next_at) VALUES`,
    14,
    "ON CONFLICT DO NOTHING RETURNING message_id"
  )

  const execute = <Row>(
    connection: SqlConnection.Connection,
    statements: ReadonlyArray<ValuesStatements.Statement>
  ) =>
    Effect.map(
      Effect.forEach(statements, ({ params, text }) => connection.execute(text, params, undefined)),
      (results) => results.flat() as unknown as ReadonlyArray<Row>
    )

  /** How many messages of each of these users wait. */
  const pendingOf = (connection: SqlConnection.Connection, users: ReadonlySet<UserId>) =>
    Effect.map(
      execute<{ readonly user_id: string; readonly pending: number | string }>(
        connection,
        pending(Array.from(users, (userId) => [userId]))
      ),
      (found) => new Map(found.map((row) => [row.user_id, Number(row.pending)]))
    )

  const messageRow = (
    execution: Announcement.Announced,
    announcement: Announcement.Announcement,
    url: string,
    state: "pending" | "refused"
  ): ValuesStatements.Row => [
    Announcement.messageIdOf(announcement, url),
    instance,
    life,
    execution.executionId,
    execution.userId,
    announcement.event,
    url,
    new URL(url).host,
    Announcement.bodyOf(execution, announcement),
    state,
    0,
    Math.round(announcement.at),
    Math.round(announcement.at),
    Math.round(announcement.at)
  ]

  /** Gives how many messages there are now that were not there before. */
  return Effect.fnUntraced(function* (
    connection: SqlConnection.Connection,
    announcements: ReadonlyArray<Announcement.Announcement>
  ) {
    const ids = new Set(announcements.map(({ executionId }) => executionId))
    const found = yield* execute<TargetRow>(connection, targets(Array.from(ids, (id) => [id])))
    if (found.length === 0) return 0
    const known = new Map(
      (yield* Effect.forEach(found, targetsOf)).map((each) => [each.execution.executionId, each])
    )
    const wanted = announcements.flatMap((announcement) => {
      const { execution, webhooks = [] } = known.get(announcement.executionId) ?? {}
      const urls = webhooks.filter(({ events }) => events.includes(announcement.event)).map(({ url }) => url)
      return execution === undefined ? [] : urls.map((url) => ({ execution, announcement, url }))
    })
    const waiting = yield* pendingOf(connection, new Set(wanted.map(({ execution }) => execution.userId)))
    const made = wanted.map(({ announcement, execution, url }) => {
      const before = waiting.get(execution.userId) ?? 0
      waiting.set(execution.userId, before + 1)
      return messageRow(execution, announcement, url, before < mostPending ? "pending" : "refused")
    })
    return (yield* execute(connection, messages(made))).length
  })
}
