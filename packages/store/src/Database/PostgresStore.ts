import type { StoreFailure } from "@bulkhead/sandbox"
import { Reactivity } from "@effect/experimental"
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Layer, Redacted } from "effect"
import { asStoreFailure } from "./Failures.js"
import { migrate } from "./Migrations.js"

export interface PostgresStoreOptions {
  /** Like `postgresql://user:password@host:5432/database`. */
  readonly url: Redacted.Redacted
  /** Connections at most, 2 or more. Default 10. */
  readonly maxConnections?: number
}

const idleBound = "idle_in_transaction_session_timeout"

/** Milliseconds. The locks of a server that stands still in the middle of a transaction would hold up all others. */
const longestIdle = 20_000

const withIdleBound = (url: string) =>
  url.includes(idleBound) ? url : `${url}${url.includes("?") ? "&" : "?"}${idleBound}=${longestIdle}`

/** A PostgreSQL database, with the tables of the store. Fails when it cannot be reached within 5 seconds. */
export const layer = ({
  maxConnections = 10,
  url
}: PostgresStoreOptions): Layer.Layer<SqlClient.SqlClient, StoreFailure> =>
  Layer.scoped(
    SqlClient.SqlClient,
    PgClient.make({
      url: Redacted.make(withIdleBound(Redacted.value(url))),
      maxConnections,
      connectTimeout: Duration.seconds(5),
      applicationName: "bulkhead"
    }).pipe(
      Effect.tap((client) => Effect.provideService(migrate, SqlClient.SqlClient, client)),
      asStoreFailure("The database could not be opened")
    )
  ).pipe(Layer.provide(Reactivity.layer))
