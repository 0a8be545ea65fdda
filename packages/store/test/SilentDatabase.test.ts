import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Schedule } from "effect"
import { inject } from "vitest"
import { PostgresStore } from "../src/index.js"
import * as DatabaseWay from "./DatabaseWay.js"

const server = inject("postgres")

/** Where the socket of the tests' PostgreSQL is. */
const directory = "url" in server ? decodeURIComponent(new URL(server.url).hostname) : ""

describe.runIf("url" in server)("a PostgreSQL to which the way forgets its connections", () => {
  it.scopedLive("is used again by new connections, since the old ones count as lost", () =>
    Effect.gen(function* () {
      const way = yield* DatabaseWay.make(directory)
      const store = PostgresStore.layer({
        url: Redacted.make(way.url("bulkhead")),
        maxConnections: 2,
        patience: "1 second"
      })
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const ask = sql`SELECT 1 AS one`
        const slow = sql`SELECT pg_sleep(0.2)`
        // Both connections are there.
        yield* Effect.all([slow, slow], { concurrency: 2 })
        yield* way.silence
        const failures = yield* Effect.all([Effect.flip(ask), Effect.flip(ask)], { concurrency: 2 })
        for (const failure of failures) assert.match(String(failure.cause), /no answer within 1 s/)
        yield* way.forget
        const [time] = yield* Effect.timed(Effect.retry(ask, Schedule.spaced("20 millis")))
        assert.isBelow(Duration.toSeconds(time), 10)
      }).pipe(Effect.provide(store))
    })
  )
})
