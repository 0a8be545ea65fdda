import { SigningSecret, Webhook } from "@bulkhead/domain"
import { UserWebhooks } from "@bulkhead/sandbox"
import { SqlClient } from "@effect/sql"
import { Effect, Layer, Schema } from "effect"
import { asReadFailure, asStoreFailure } from "../Database/Failures.js"

interface SecretRow {
  readonly secret: string
  readonly previous: string | null
  readonly previous_until: number | string | null
}

const decodeWebhooks = Schema.decodeUnknown(Schema.parseJson(Schema.Array(Schema.typeSchema(Webhook))))

// PostgreSQL gives 64-bit integers as text.
const secretOf = ({ previous, previous_until, secret }: SecretRow) =>
  SigningSecret.make(
    previous === null || previous_until === null
      ? { secret }
      : { secret, previous, previousUntil: Number(previous_until) }
  )

const make = Effect.map(SqlClient.SqlClient, (sql) => {
  const columns = sql.literal("secret, previous, previous_until")

  const standing: UserWebhooks["Type"]["standing"] = Effect.fn("SqlUserWebhooks.standing")(function* (
    userId
  ) {
    const [row] = yield* sql<{ readonly webhooks: string | null }>`
        SELECT webhooks FROM user_webhooks WHERE user_id = ${userId}`
    return row?.webhooks ? yield* decodeWebhooks(row.webhooks) : []
  }, asReadFailure("The standing webhooks could not be read"))

  const setStanding: UserWebhooks["Type"]["setStanding"] = Effect.fn("SqlUserWebhooks.setStanding")(
    function* (userId, webhooks) {
      const text = webhooks.length === 0 ? null : JSON.stringify(webhooks)
      yield* sql`INSERT INTO user_webhooks (user_id, webhooks) VALUES (${userId}, ${text})
        ON CONFLICT (user_id) DO UPDATE SET webhooks = excluded.webhooks`
    },
    (effect) => sql.withTransaction(effect),
    asStoreFailure("The standing webhooks could not be written")
  )

  const secret: UserWebhooks["Type"]["secret"] = Effect.fn("SqlUserWebhooks.secret")(function* (
    userId,
    fresh
  ) {
    const found = yield* sql<SecretRow>`
        SELECT ${columns} FROM user_webhooks WHERE user_id = ${userId} AND secret IS NOT NULL`
    if (found[0] !== undefined) return secretOf(found[0])
    const [made] = yield* sql.withTransaction(sql<SecretRow>`
        INSERT INTO user_webhooks (user_id, secret) VALUES (${userId}, ${fresh})
        ON CONFLICT (user_id) DO UPDATE SET secret = COALESCE(user_webhooks.secret, excluded.secret)
        RETURNING ${columns}`)
    return made === undefined ? yield* Effect.dieMessage("no row came back") : secretOf(made)
  }, asStoreFailure("The signing secret could not be read"))

  const rotate: UserWebhooks["Type"]["rotate"] = Effect.fn("SqlUserWebhooks.rotate")(
    function* (userId, fresh, previousUntil) {
      const [row] = yield* sql<SecretRow>`
        INSERT INTO user_webhooks (user_id, secret) VALUES (${userId}, ${fresh})
        ON CONFLICT (user_id) DO UPDATE SET
          previous = user_webhooks.secret, previous_until = ${previousUntil}, secret = excluded.secret
        RETURNING ${columns}`
      return row === undefined ? yield* Effect.dieMessage("no row came back") : secretOf(row)
    },
    (effect) => sql.withTransaction(effect),
    asStoreFailure("The signing secret could not be written")
  )

  return UserWebhooks.of({ standing, setStanding, secret, rotate })
})

/**
 * Standing webhooks and signing secrets in the tables that `SqliteStore` and `PostgresStore` create, as they are:
 * whoever can read the database can sign.
 */
export const layer: Layer.Layer<UserWebhooks, never, SqlClient.SqlClient> = Layer.effect(UserWebhooks, make)
