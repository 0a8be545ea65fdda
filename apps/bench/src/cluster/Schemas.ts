import { PostgresStore } from "@bulkhead/store"
import { SqlClient } from "@effect/sql"
import { Effect, Redacted } from "effect"
import { MeasurementFailure } from "../Measurement.js"

/** An empty schema of a PostgreSQL, which is to a server a database of its own. Gives the URL of it. */
export const make = Effect.fn("Schemas.make")(
  function* (server: string, name: string) {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE SCHEMA ${sql(name)}`
    return `${server}?options=-c%20search_path%3D${name}`
  },
  (made, server) =>
    Effect.provide(made, PostgresStore.layer({ url: Redacted.make(server), maxConnections: 2 })),
  Effect.mapError((cause) => new MeasurementFailure({ message: `PostgreSQL: ${String(cause)}` }))
)
