import { ExecutionStore, Outbox } from "@bulkhead/sandbox"
import { Entries, OutboxConformance } from "@bulkhead/testing/conformance"
import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { SqlUserWebhooks } from "../src/index.js"
import { type Database, freshStore, kinds, onEach, storeIn } from "./Databases.js"

const { announced, beganWith, ended, put, webhook } = Entries

const withUsers = <A, E>(store: Layer.Layer<A | SqlClient.SqlClient, E>) =>
  Layer.provideMerge(SqlUserWebhooks.layer, store)

for (const kind of kinds)
  OutboxConformance.suite(`SqlOutbox on ${kind.name}`, withUsers(freshStore(kind)), {
    durable: Effect.map(kind.make, (database) => withUsers(storeIn(database))),
    timeout: 60_000
  })

const message = (name: string) => [beganWith(name, webhook(name)), ended(name), announced(name)]

const everything = { now: 1_000_000, limit: 100, each: 100, except: [], busyUsers: [], busyReceivers: [] }

const idsDue = Effect.flatMap(Outbox, ({ due }) =>
  Effect.map(due(everything), (messages) => messages.map(({ messageId }) => messageId))
)

const server = (database: Database, instance: string) => storeIn(database, { instance })

onEach("SqlOutbox", (kind) => {
  it.scopedLive("is each server's own, until the server that had it is gone", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const two = Effect.gen(function* () {
        const outbox = yield* Outbox
        const ofOne = yield* Effect.gen(function* () {
          yield* put(...message("a"))
          assert.strictEqual(yield* outbox.adopt, 0)
          assert.deepStrictEqual(yield* Effect.provideService(idsDue, Outbox, outbox), [])
          return yield* idsDue
        }).pipe(Effect.provide(server(database, "one")))
        assert.strictEqual(ofOne.length, 1)
        assert.strictEqual(yield* outbox.adopt, 1)
        assert.deepStrictEqual(yield* idsDue, ofOne)
      })
      yield* Effect.provide(two, server(database, "two"))
    })
  )

  it.scopedLive(
    "has what a server whose clock was fast has never tried due at once, and pauses as they were",
    () =>
      Effect.gen(function* () {
        const database = yield* Effect.orDie(kind.make)
        const now = yield* Clock.currentTimeMillis
        const later = now + 600_000
        const write = Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* put(...message("new"))
          yield* put(...message("tried"))
          yield* sql.withTransaction(sql`UPDATE webhook_messages SET next_at = ${later},
          attempts = CASE WHEN execution_id = ${Entries.id("tried")} THEN 1 ELSE 0 END`)
        })
        yield* Effect.provide(write, server(database, "one"))
        const taken = Effect.gen(function* () {
          const outbox = yield* Outbox
          assert.strictEqual(yield* outbox.adopt, 2)
          const due = yield* outbox.due({ ...everything, now: now + 60_000 })
          assert.deepStrictEqual(
            due.map(({ executionId }) => executionId),
            [Entries.id("new")]
          )
        })
        yield* Effect.provide(taken, server(database, "two"))
      })
  )

  it.scopedLive("takes nothing from a life that is over, and lets it settle nothing", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const former = Effect.gen(function* () {
        const outbox = yield* Outbox
        yield* put(...message("a"))
        const [messageId = ""] = yield* idsDue
        const latter = Effect.gen(function* () {
          yield* (yield* Outbox).adopt
          yield* outbox.settle({ messageId, state: "delivered", attempts: 1, at: 1, words: "" })
          assert.deepStrictEqual(yield* idsDue, [messageId])
        })
        yield* Effect.provide(latter, storeIn(database, { isDead: () => true }))
        assert.deepStrictEqual(yield* idsDue, [])
        assert.strictEqual(yield* outbox.adopt, 0)
      })
      yield* Effect.provide(former, storeIn(database))
    })
  )

  it.scopedLive("has no message of an end that could not be written, and one as soon as it can", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* ExecutionStore
        yield* put(beganWith("a", webhook("a")))
        yield* sql.withTransaction(sql`ALTER TABLE webhook_messages RENAME TO hidden`)
        yield* Effect.flip(put(ended("a"), announced("a")))
        const found = yield* store.list({ state: "ended" })
        assert.deepStrictEqual(found.items, [])
        yield* sql.withTransaction(sql`ALTER TABLE hidden RENAME TO webhook_messages`)
        yield* Effect.eventually(Effect.zipRight(Effect.sleep(5), store.commit))
        assert.strictEqual((yield* store.list({ state: "ended" })).items.length, 1)
        assert.strictEqual((yield* idsDue).length, 1)
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )
})
