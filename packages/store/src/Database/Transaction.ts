import type { SqlClient, SqlConnection, SqlError } from "@effect/sql"
import { Effect } from "effect"

/**
 * Runs something on one connection, in a transaction. For what is done all the time: without the spans and the look-ups
 * of `withTransaction`, a statement takes a tenth of the steps.
 */
export const make = (sql: SqlClient.SqlClient) => {
  const begin = sql.onDialectOrElse({ pg: () => "BEGIN", orElse: () => "BEGIN IMMEDIATE" })
  return <A, E>(
    use: (connection: SqlConnection.Connection) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | SqlError.SqlError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.scoped(
        Effect.flatMap(sql.reserve, (connection) => {
          const call = (text: string) => connection.executeUnprepared(text, [], undefined)
          const body = Effect.matchCauseEffect(restore(use(connection)), {
            onFailure: (cause) => Effect.zipRight(Effect.ignore(call("ROLLBACK")), Effect.failCause(cause)),
            onSuccess: (value) => Effect.as(call("COMMIT"), value)
          })
          return Effect.zipRight(call(begin), body)
        })
      )
    )
}
