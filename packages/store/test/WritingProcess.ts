// Writes executions until it is killed, and says which were committed: one name a line.
import { writeSync } from "node:fs"
import type { StoreFailure } from "@bulkhead/sandbox"
import { ExecutionStore } from "@bulkhead/sandbox"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import type { SqlClient } from "@effect/sql"
import { Effect, Layer, Redacted } from "effect"
import { PostgresStore, SqlExecutionStore, SqliteStore } from "../src/index.js"

const [place = "", life = ""] = process.argv.slice(2)

const database: Layer.Layer<SqlClient.SqlClient, StoreFailure> = place.startsWith("postgresql:")
  ? PostgresStore.layer({ url: Redacted.make(place) })
  : SqliteStore.layer({ directory: place }).pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))

const user = "ann" as never
const event = (executionId: never, event: "execution_started" | "signal_sent" | "execution_completed") =>
  ({
    _tag: "Happened",
    event: { timestamp: 1, executionId, userId: user, level: "info", event, message: "It happened" }
  }) as const

const one = Effect.fnUntraced(function* (number: number) {
  const store = yield* ExecutionStore
  const executionId = `exec_${life}-${number}` as never
  yield* store.append([
    { _tag: "Began", execution: { executionId, userId: user, state: "running", startedAt: 1 } },
    event(executionId, "execution_started")
  ])
  yield* store.commit
  // So that not all are always at the same point.
  if (number % 2 === 1) {
    yield* store.append([event(executionId, "signal_sent")])
    yield* store.commit
  }
  yield* store.append([
    event(executionId, "execution_completed"),
    { _tag: "Ended", end: { executionId, endedAt: 2, verdict: "Completed" } }
  ])
  yield* store.commit
  yield* Effect.sync(() => writeSync(1, `${executionId}\n`))
})

const numbers = Array.from({ length: 1_000_000 }, (_, index) => index)

const main = Effect.forEach(numbers, one, { concurrency: 8, discard: true }).pipe(
  Effect.provide(Layer.provide(SqlExecutionStore.layer({ isDead: () => true }), database))
)

await Effect.runPromise(main)
