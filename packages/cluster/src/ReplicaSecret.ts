import { SqlClient } from "@effect/sql"
import { Effect, Redacted } from "effect"
import { LedgerFailure } from "./PermitLedger.js"
import * as Tables from "./Tables.js"

/** In bytes. */
const length = 32

/** What only replicas know, since it is in their database: 32 random bytes. */
export type ReplicaSecret = Redacted.Redacted<Uint8Array>

export const read: Effect.Effect<ReplicaSecret, LedgerFailure, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Tables.migrate
    const [row] = yield* sql<{ readonly value: string }>`SELECT value FROM replica_secret`
    const secret = Buffer.from(row?.value ?? "", "hex")
    if (secret.length === length) return Redacted.make(secret)
    return yield* Effect.fail(`replica_secret has not ${2 * length} hexadecimal digits`)
  }
).pipe(Effect.mapError((cause) => new LedgerFailure({ cause })))
