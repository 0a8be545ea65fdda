import { UserId, usualPage, WebhookDelivery, type WebhookEvent, WebhookMetrics } from "@bulkhead/domain"
import type { Outbox, OutgoingMessage } from "@bulkhead/sandbox"
import type { SqlClient } from "@effect/sql"
import { Clock, Effect, Option, Schema } from "effect"
import { asReadFailure, asStoreFailure } from "../Database/Failures.js"
import * as Cursor from "../Executions/Cursor.js"
import type { Writer } from "../Executions/GroupRows.js"

interface MessageRow {
  readonly message_id: string
  readonly execution_id: string
  readonly user_id: string
  readonly event: string
  readonly url: string
  readonly receiver: string
  readonly body: string
  readonly attempts: number | string
  readonly since: number | string
}

interface DeliveryRow extends Omit<MessageRow, "receiver" | "body" | "since"> {
  readonly state: string
  readonly created_at: number | string
  readonly next_at: number | string
  readonly settled_at: number | string | null
  readonly outcome: string | null
}

// PostgreSQL gives 64-bit integers as text.
const outgoing = (row: MessageRow): OutgoingMessage => ({
  messageId: row.message_id,
  executionId: row.execution_id as OutgoingMessage["executionId"],
  userId: UserId.make(row.user_id),
  event: row.event as WebhookEvent,
  url: row.url,
  receiver: row.receiver,
  body: row.body,
  attempts: Number(row.attempts),
  since: Number(row.since)
})

/** Of a refused message nobody is told that it is still to be audited. */
const delivery = (row: DeliveryRow) => ({
  messageId: row.message_id,
  executionId: row.execution_id,
  userId: row.user_id,
  event: row.event,
  url: row.url,
  state: row.state === "refused" ? "failed" : row.state,
  attempts: Number(row.attempts),
  createdAt: Number(row.created_at),
  ...(row.state === "pending" ? { nextAt: Number(row.next_at) } : {}),
  ...(row.settled_at === null ? {} : { settledAt: Number(row.settled_at) }),
  ...(row.outcome === null ? {} : { outcome: row.outcome })
})

const decodeDeliveries = Schema.decodeUnknown(Schema.Array(WebhookDelivery))
const Place = Schema.Tuple(Schema.Number, Schema.String)

/** The messages in the tables that `SqliteStore` and `PostgresStore` create, as far as they are this life's to send. */
export const make = (
  sql: SqlClient.SqlClient,
  { instance, life }: Writer,
  arrived: Effect.Effect<void>,
  announce: Effect.Effect<unknown>
): Outbox["Type"] => {
  const own = sql`instance = ${instance} AND life = ${life}`
  const columns = sql.literal(
    "message_id, execution_id, user_id, event, url, receiver, body, attempts, since"
  )
  const columnsOfDelivery = sql.literal(
    "message_id, execution_id, user_id, event, url, state, attempts, created_at, next_at, settled_at, outcome"
  )
  const notIn = (column: string, values: ReadonlyArray<string>) =>
    values.length === 0 ? [] : [sql`${sql.literal(column)} NOT IN ${sql.in(values)}`]

  const due: Outbox["Type"]["due"] = Effect.fn("SqlOutbox.due")(function* ({
    busyReceivers,
    busyUsers,
    each,
    except,
    limit,
    now
  }) {
    const conditions = [
      own,
      sql`state = 'pending' AND next_at <= ${now}`,
      ...notIn("message_id", except),
      ...notIn("user_id", busyUsers),
      ...notIn("receiver", busyReceivers)
    ]
    const rows = yield* sql<MessageRow>`
        SELECT ${columns} FROM webhook_messages JOIN (
          SELECT message_id AS id, turn, next_at AS at FROM (
            SELECT message_id, next_at, ROW_NUMBER() OVER (
              PARTITION BY user_id, receiver ORDER BY next_at, message_id) AS turn
            FROM webhook_messages WHERE ${sql.and(conditions)}
          ) AS lanes WHERE turn <= ${each} ORDER BY turn, next_at, message_id LIMIT ${limit}
        ) AS chosen ON id = message_id ORDER BY turn, at, message_id`
    return rows.map(outgoing)
  }, asReadFailure("The messages could not be read"))

  const refused: Outbox["Type"]["refused"] = Effect.fn("SqlOutbox.refused")(function* (limit) {
    const rows = yield* sql<MessageRow>`
      SELECT ${columns} FROM webhook_messages WHERE ${own} AND state = 'refused' LIMIT ${limit}`
    return rows.map(outgoing)
  }, asReadFailure("The messages could not be read"))

  const settle: Outbox["Type"]["settle"] = Effect.fn("SqlOutbox.settle")(
    function* ({ at, attempts, messageId, nextAt, state, words }) {
      const isSettled = state !== "pending"
      yield* sql`UPDATE webhook_messages SET
          state = ${state}, attempts = ${attempts}, outcome = ${words},
          next_at = COALESCE(${nextAt ?? null}, next_at), settled_at = ${isSettled ? at : null},
          body = CASE WHEN ${state} = 'delivered' THEN '' ELSE body END
        WHERE message_id = ${messageId} AND ${own} AND state IN ('pending', 'refused')`
    },
    (effect) => sql.withTransaction(effect),
    asStoreFailure("What came of a message could not be written")
  )

  // They are taken over in the same moment, so that no two servers send the same one. What was never tried is due at
  // once: the clock by which it would be due may have been fast.
  const take = (now: number) => sql<{ message_id: string }>`
    UPDATE webhook_messages SET instance = ${instance}, life = ${life},
      next_at = CASE WHEN attempts = 0 AND next_at > ${now} THEN ${now} ELSE next_at END
    FROM (SELECT m.message_id AS id, m.instance AS owner, m.life AS owner_life FROM webhook_messages m
      WHERE m.state IN ('pending', 'refused') AND NOT (m.instance = ${instance} AND m.life = ${life})
        AND EXISTS (SELECT 1 FROM chains c WHERE c.instance = ${instance} AND c.life = ${life})
        AND NOT EXISTS (SELECT 1 FROM leases l
          WHERE l.instance = m.instance AND l.instance <> ${instance})) AS abandoned
    WHERE message_id = id AND instance = owner AND life = owner_life AND state IN ('pending', 'refused')
    RETURNING message_id`
  const adopt: Outbox["Type"]["adopt"] = Clock.currentTimeMillis.pipe(
    Effect.flatMap(take),
    sql.withTransaction,
    Effect.tap((rows) => (rows.length > 0 ? announce : Effect.void)),
    Effect.map(({ length }) => length),
    asStoreFailure("The messages of others could not be taken over"),
    Effect.withSpan("SqlOutbox.adopt")
  )

  const counts: Outbox["Type"]["counts"] = sql<{ state: string; number: number | string }>`
    SELECT state, COUNT(*) AS number FROM webhook_messages GROUP BY state`.pipe(
    Effect.map((rows) => {
      const of = (state: string) => Number(rows.find((row) => row.state === state)?.number ?? 0)
      return WebhookMetrics.make({
        pending: of("pending"),
        failed: of("failed") + of("refused"),
        delivered: of("delivered")
      })
    }),
    asReadFailure("The messages could not be counted"),
    Effect.withSpan("SqlOutbox.counts")
  )

  const list: Outbox["Type"]["list"] = Effect.fn("SqlOutbox.list")(function* ({
    cursor,
    limit = usualPage,
    state,
    userId
  }) {
    const place = cursor === undefined ? Option.some(undefined) : Cursor.decode(Place)(cursor)
    if (Option.isNone(place)) return { items: [] }
    const states = state === "failed" ? ["failed", "refused"] : [state ?? ""]
    const conditions = [
      ...(userId === undefined ? [] : [sql`user_id = ${userId}`]),
      ...(state === undefined ? [] : [sql`state IN ${sql.in(states)}`]),
      ...(place.value === undefined
        ? []
        : [sql`(created_at, message_id) < (${place.value[0]}, ${place.value[1]})`])
    ]
    const rows = yield* sql<DeliveryRow>`
        SELECT ${columnsOfDelivery} FROM webhook_messages WHERE ${sql.and(conditions)}
        ORDER BY created_at DESC, message_id DESC LIMIT ${limit + 1}`
    const shown = rows.slice(0, limit)
    const last = shown.at(-1)
    const items = yield* decodeDeliveries(shown.map(delivery))
    return rows.length > limit && last !== undefined
      ? { items, nextCursor: Cursor.encode([Number(last.created_at), last.message_id]) }
      : { items }
  }, asReadFailure("The messages could not be read"))

  const resend: Outbox["Type"]["resend"] = Effect.fn("SqlOutbox.resend")(
    function* (messageId, now) {
      const rows = yield* sql`UPDATE webhook_messages SET
          state = 'pending', attempts = 0, since = ${now}, next_at = ${now}, settled_at = NULL,
          instance = ${instance}, life = ${life}
        WHERE message_id = ${messageId} AND state = 'failed' RETURNING message_id`
      if (rows.length > 0) yield* announce
      return rows.length > 0
    },
    (effect) => sql.withTransaction(effect),
    asStoreFailure("The message could not be written")
  )

  return { arrived, due, refused, settle, adopt, counts, list, resend }
}
