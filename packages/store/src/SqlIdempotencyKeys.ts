import { ExecutionId } from "@bulkhead/domain"
import { type Claim, IdempotencyKeys } from "@bulkhead/sandbox"
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Layer } from "effect"
import { asStoreFailure } from "./Failures.js"

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const claim: IdempotencyKeys["Type"]["claim"] = Effect.fn("SqlIdempotencyKeys.claim")(
    function* (claim) {
      const { executionId, fingerprint, key, userId } = claim
      const created = yield* sql`INSERT INTO idempotency_keys ${sql.insert({
        user_id: userId,
        idempotency_key: key,
        fingerprint,
        execution_id: executionId,
        created_at: yield* Clock.currentTimeMillis
      })} ON CONFLICT DO NOTHING RETURNING execution_id`
      if (created.length > 0) return claim
      const [row] = yield* sql<{ fingerprint: string; execution_id: string }>`
        SELECT fingerprint, execution_id FROM idempotency_keys
        WHERE user_id = ${userId} AND idempotency_key = ${key}`
      if (row === undefined) return yield* Effect.dieMessage("the key was released in the same moment")
      const holder: Claim = {
        ...claim,
        executionId: ExecutionId.make(row.execution_id),
        fingerprint: row.fingerprint
      }
      return holder
    },
    // On its own connection's turn: SQLite has one writer.
    (effect) => sql.withTransaction(effect),
    asStoreFailure("The idempotency key could not be kept")
  )

  const release: IdempotencyKeys["Type"]["release"] = Effect.fn("SqlIdempotencyKeys.release")(
    function* ({ executionId, key, userId }) {
      yield* sql`DELETE FROM idempotency_keys
        WHERE user_id = ${userId} AND idempotency_key = ${key} AND execution_id = ${executionId}`
    },
    (effect) => sql.withTransaction(effect),
    asStoreFailure("The idempotency key could not be released")
  )

  return IdempotencyKeys.of({ claim, release })
})

/** Keys in the tables that `SqliteStore` and `PostgresStore` make. `Retention` removes the old ones. */
export const layer: Layer.Layer<IdempotencyKeys, never, SqlClient.SqlClient> = Layer.effect(
  IdempotencyKeys,
  make
)
