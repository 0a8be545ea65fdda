import type { StoreFailure } from "@bulkhead/sandbox"
import * as Reactivity from "@effect/experimental/Reactivity"
import { SqlClient } from "@effect/sql"
import { Duration, Effect, Layer, Redacted } from "effect"
import { AnsweringSocket } from "./AnsweringSocket.js"
import { asStoreFailure } from "./Failures.js"
import { migrate } from "./Migrations.js"

export interface PostgresStoreOptions {
  /** Like `postgresql://user:password@host:5432/database`. */
  readonly url: Redacted.Redacted
  /** Connections at most, 2 or more. Default 10. */
  readonly maxConnections?: number
  /**
   * After so long without a word a connection that was asked something counts as lost, and its place is another's.
   * Default 40 seconds, longer than anything that is asked of it waits.
   */
  readonly patience?: Duration.DurationInput
}

const idleBound = "idle_in_transaction_session_timeout"

/** Milliseconds. The locks of a server that stands still in the middle of a transaction would hold up all others. */
const longestIdle = 20_000

const withIdleBound = (url: string) =>
  url.includes(idleBound) ? url : `${url}${url.includes("?") ? "&" : "?"}${idleBound}=${longestIdle}`

const connectTimeout = Duration.seconds(5)

const usualPatience = Duration.seconds(40)

// Loaded only where it is used: it would add to the start-up time of whoever has no PostgreSQL.
const library = Effect.promise(() => import("@effect/sql-pg/PgClient"))

/** With a connection of its own, on which it may take any time: tables may be large. */
const migrated = (url: Redacted.Redacted) =>
  library.pipe(
    Effect.flatMap(({ make }) =>
      make({ url, maxConnections: 2, connectTimeout, applicationName: "bulkhead" })
    ),
    Effect.flatMap((client) => Effect.provideService(migrate, SqlClient.SqlClient, client)),
    Effect.scoped
  )

/** A PostgreSQL database, with the tables of the store. Fails when it cannot be reached within 5 seconds. */
export const layer = ({
  maxConnections = 10,
  patience = usualPatience,
  url
}: PostgresStoreOptions): Layer.Layer<SqlClient.SqlClient, StoreFailure> => {
  const bounded = Redacted.make(withIdleBound(Redacted.value(url)))
  const client = Effect.flatMap(library, ({ make }) =>
    make({
      url: bounded,
      maxConnections,
      connectTimeout,
      applicationName: "bulkhead",
      stream: () => new AnsweringSocket(Duration.toMillis(patience))
    })
  )
  return Layer.scoped(
    SqlClient.SqlClient,
    Effect.zipRight(migrated(bounded), client).pipe(asStoreFailure("The database could not be opened"))
  ).pipe(Layer.provide(Reactivity.layer))
}
