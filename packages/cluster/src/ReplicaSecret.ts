import { SqlClient } from "@effect/sql"
import { Effect, Redacted } from "effect"
import { LedgerFailure } from "./PermitLedger.js"
import * as Tables from "./Tables.js"

/** What only replicas know, since it is in their database: 32 random bytes. */
export type ReplicaSecret = Redacted.Redacted<Uint8Array>

export const read: Effect.Effect<ReplicaSecret, LedgerFailure, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Tables.migrate
    const [row] = yield* sql<{ readonly value: string }>`SELECT value FROM replica_secret`
    const { value } = yield* Effect.fromNullable(row)
    return Redacted.make(Buffer.from(value, "hex"))
  }
).pipe(Effect.mapError((cause) => new LedgerFailure({ cause })))
