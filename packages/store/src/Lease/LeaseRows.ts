import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import type { LeaseRow } from "./Sightings.js"

interface StoredRow {
  readonly instance: string
  readonly holder: string
  readonly renewals: number | string
}

// PostgreSQL gives 64-bit integers as text.
const fromRow = ({ holder, instance, renewals }: StoredRow): LeaseRow => ({
  instance,
  holder,
  renewals: Number(renewals)
})

/** The statements about leases. Each is a transaction of its own, and says whether it found the row as it was told. */
export const make = Effect.map(SqlClient.SqlClient, (sql) => {
  const has = (rows: ReadonlyArray<unknown>) => rows.length > 0
  const where = ({ holder, instance, renewals }: LeaseRow) =>
    sql`instance = ${instance} AND holder = ${holder} AND renewals = ${renewals}`

  return {
    all: Effect.map(sql<StoredRow>`SELECT instance, holder, renewals FROM leases`, (rows) =>
      rows.map(fromRow)
    ),
    take: (instance: string, holder: string) =>
      sql`INSERT INTO leases (instance, holder, renewals) VALUES (${instance}, ${holder}, 0)
        ON CONFLICT DO NOTHING RETURNING instance`.pipe(sql.withTransaction, Effect.map(has)),
    renew: (instance: string, holder: string) =>
      sql`UPDATE leases SET renewals = renewals + 1
        WHERE instance = ${instance} AND holder = ${holder} RETURNING instance`.pipe(
        sql.withTransaction,
        Effect.map(has)
      ),
    giveBack: (instance: string, holder: string) =>
      sql`DELETE FROM leases WHERE instance = ${instance} AND holder = ${holder}`.pipe(
        sql.withTransaction,
        Effect.asVoid
      ),
    /** Ends a lease, and the life that held it: what that life still tries to write fails. */
    end: (row: LeaseRow) =>
      sql`DELETE FROM leases WHERE ${where(row)} RETURNING instance`.pipe(
        Effect.map(has),
        Effect.tap((isEnded) =>
          isEnded ? sql`UPDATE chains SET life = life + 1 WHERE instance = ${row.instance}` : Effect.void
        ),
        sql.withTransaction
      )
  }
})
