import { ExecutionId } from "@bulkhead/domain"
import { type Claim, IdempotencyKeys } from "@bulkhead/sandbox"
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Layer } from "effect"
import { asStoreFailure } from "./Database/Failures.js"

export interface SqlIdempotencyKeysOptions {
  /** The name of this server, as in `SqlExecutionStoreOptions`. Default `main`. */
  readonly instance?: string
}

const make = Effect.fnUntraced(function* ({ instance = "main" }: SqlIdempotencyKeysOptions) {
  const sql = yield* SqlClient.SqlClient
  const life = sql`COALESCE((SELECT life FROM chains WHERE instance = ${instance}), 0)`

  const claim: IdempotencyKeys["Type"]["claim"] = Effect.fn("SqlIdempotencyKeys.claim")(
    function* (claim) {
      const { executionId, fingerprint, key, userId } = claim
      const now = yield* Clock.currentTimeMillis
      // In one statement, which also waits for who is just about to give the key back.
      const [row] = yield* sql<{ fingerprint: string; execution_id: string }>`INSERT INTO idempotency_keys
          (user_id, idempotency_key, fingerprint, execution_id, created_at, instance, life)
        VALUES (${userId}, ${key}, ${fingerprint}, ${executionId}, ${now}, ${instance}, ${life})
        ON CONFLICT (user_id, idempotency_key) DO UPDATE SET fingerprint = idempotency_keys.fingerprint
        RETURNING fingerprint, execution_id`
      if (row === undefined) return yield* Effect.dieMessage("no row came back")
      const holder: Claim = {
        ...claim,
        executionId: ExecutionId.make(row.execution_id),
        fingerprint: row.fingerprint
      }
      return holder
    },
    // SQLite has one writer, and only transactions take turns with it.
    (effect) => sql.withTransaction(effect),
    asStoreFailure("The idempotency key could not be claimed")
  )

  // An execution that is not in the store may be one that its server is about to begin.
  const released = sql.or([
    sql`instance = ${instance}`,
    sql`life < (SELECT c.life FROM chains c WHERE c.instance = idempotency_keys.instance)`,
    sql`EXISTS (SELECT 1 FROM executions x
      WHERE x.execution_id = idempotency_keys.execution_id AND x.verdict = 'Rejected')`
  ])

  const release: IdempotencyKeys["Type"]["release"] = Effect.fn("SqlIdempotencyKeys.release")(
    function* ({ executionId, key, userId }) {
      yield* sql`DELETE FROM idempotency_keys
        WHERE user_id = ${userId} AND idempotency_key = ${key} AND execution_id = ${executionId}
          AND ${released}`
    },
    (effect) => sql.withTransaction(effect),
    asStoreFailure("The idempotency key could not be released")
  )

  return IdempotencyKeys.of({ claim, release })
})

/**
 * Idempotency keys in the tables that `SqliteStore` and `PostgresStore` create. `Retention` removes the old ones.
 * A key of another instance is released only when its execution was refused, or when that instance has been started
 * again since: until then it may be about to run. Two kinds of keys are never released: those whose execution
 * `Retention` has removed, and those of an early version that did not write down which instance claimed them.
 */
export const layer = (
  options: SqlIdempotencyKeysOptions = {}
): Layer.Layer<IdempotencyKeys, never, SqlClient.SqlClient> => Layer.effect(IdempotencyKeys, make(options))
