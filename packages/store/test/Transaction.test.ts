import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import * as Transaction from "../src/Database/Transaction.js"
import { onEach } from "./Databases.js"

const insert = (name: string) =>
  `INSERT INTO chains (instance, life, sequence, hash, removed_sequence, removed_hash, bytes)
    VALUES ('${name}', 1, 0, '', 0, '', 0)`

onEach("Transaction", (kind) => {
  const withTransactions = <A>(
    use: (
      transaction: ReturnType<typeof Transaction.make>,
      kept: Effect.Effect<ReadonlyArray<string>>
    ) => Effect.Effect<A, unknown>
  ) =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.flatMap(SqlClient.SqlClient, (sql) => {
        const rows = Effect.orDie(sql<{ instance: string }>`SELECT instance FROM chains ORDER BY instance`)
        return use(
          Transaction.make(sql),
          Effect.map(rows, (found) => found.map(({ instance }) => instance))
        )
      })
      return yield* Effect.provide(body, database.open())
    })

  it.scopedLive("keeps all that was done when it succeeds, and gives what came of it", () =>
    withTransactions((transaction, kept) =>
      Effect.gen(function* () {
        const given = yield* transaction((connection) =>
          Effect.as(connection.execute(insert("a"), [], undefined), 5)
        )
        assert.strictEqual(given, 5)
        assert.deepStrictEqual(yield* kept, ["a"])
      })
    )
  )

  it.scopedLive("keeps nothing when a statement fails, and lets the next one through", () =>
    withTransactions((transaction, kept) =>
      Effect.gen(function* () {
        const twice = yield* Effect.exit(
          transaction((connection) =>
            Effect.zipRight(
              connection.execute(insert("a"), [], undefined),
              connection.execute(insert("a"), [], undefined)
            )
          )
        )
        assert.isTrue(Exit.isFailure(twice))
        yield* transaction((connection) => connection.execute(insert("b"), [], undefined))
        assert.deepStrictEqual(yield* kept, ["b"])
      })
    )
  )

  it.scopedLive("keeps nothing when it is interrupted, and lets the next one through", () =>
    withTransactions((transaction, kept) =>
      Effect.gen(function* () {
        const inside = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(
          transaction((connection) =>
            connection
              .execute(insert("a"), [], undefined)
              .pipe(Effect.zipRight(Deferred.succeed(inside, undefined)), Effect.zipRight(Effect.never))
          )
        )
        yield* Deferred.await(inside)
        yield* Fiber.interrupt(fiber)
        yield* transaction((connection) => connection.execute(insert("b"), [], undefined))
        assert.deepStrictEqual(yield* kept, ["b"])
      })
    )
  )
})
