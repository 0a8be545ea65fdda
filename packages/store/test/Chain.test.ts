import { ExecutionStore } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { SqlClient, SqlError } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import * as Chain from "../src/Audit/Chain.js"
import { onEach, storeIn } from "./Databases.js"

const { began, happened, put } = Entries

const length = 12
const numbers = Array.from({ length }, (_, index) => index + 1)

/** Three groups of four events, of two executions in turn. */
const fill = Effect.forEach([0, 1, 2], (group) =>
  put(
    began(`a${group}`),
    began(`b${group}`),
    ...[1, 2].flatMap((part) => [
      happened(`a${group}`, "signal_sent", { part }),
      happened(`b${group}`, "signal_sent", { part })
    ])
  )
)

/** What verify says after a change, which is then rolled back. */
const after = (change: Effect.Effect<unknown, unknown, SqlClient.SqlClient>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const store = yield* ExecutionStore
    const found = Effect.orDie(Effect.zipRight(change, store.verify))
    const rolledBack = sql.withTransaction(Effect.flatMap(found, (verdict) => Effect.fail({ verdict })))
    const end = yield* Effect.flip(rolledBack)
    return end instanceof SqlError.SqlError ? yield* Effect.die(end) : end.verdict
  })

const change = (text: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>) =>
  Effect.flatMap(SqlClient.SqlClient, text)

const columns = ["timestamp", "execution_id", "event", "hash"]
const park = 1_000_000

onEach("The chain", (kind) => {
  it.scopedLive("shows every change of every column of every row", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        yield* fill
        for (const number of numbers) {
          for (const column of columns) {
            const found = yield* after(
              change((sql) =>
                column === "timestamp"
                  ? sql`UPDATE events SET timestamp = timestamp + 1 WHERE sequence = ${number}`
                  : sql`UPDATE events SET ${sql(column)} = ${sql(column)} || 'x' WHERE sequence = ${number}`
              )
            )
            assert.deepStrictEqual(
              found.broken,
              { instance: "main", sequence: number, kind: "changed" },
              `${column} of ${number}`
            )
          }
        }
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("shows every row that is missing, and every two that are swapped", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        yield* fill
        for (const number of numbers) {
          const missing = yield* after(change((sql) => sql`DELETE FROM events WHERE sequence = ${number}`))
          assert.deepStrictEqual(missing.broken, { instance: "main", sequence: number, kind: "missing" })
          const moved = yield* after(
            change((sql) => sql`UPDATE events SET instance = 'other' WHERE sequence = ${number}`)
          )
          assert.deepStrictEqual(moved.broken, { instance: "main", sequence: number, kind: "missing" })
          for (const other of numbers.filter((other) => other > number)) {
            const swapped = yield* after(
              change((sql) =>
                Effect.all([
                  sql`UPDATE events SET sequence = ${park} WHERE sequence = ${number}`,
                  sql`UPDATE events SET sequence = ${number} WHERE sequence = ${other}`,
                  sql`UPDATE events SET sequence = ${other} WHERE sequence = ${park}`
                ])
              )
            )
            assert.deepStrictEqual(swapped.broken, { instance: "main", sequence: number, kind: "reordered" })
          }
        }
        const all = yield* after(change((sql) => sql`DELETE FROM events`))
        assert.deepStrictEqual(all.broken, { instance: "main", sequence: 1, kind: "missing" })
      })
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive(
    "shows a row that was added, one written anew with a hash that fits, and a changed chain",
    () =>
      Effect.gen(function* () {
        const database = yield* Effect.orDie(kind.make)
        const body = Effect.gen(function* () {
          yield* fill
          const added = yield* after(
            change(
              (sql) => sql`INSERT INTO events (instance, sequence, timestamp, execution_id, event, hash)
              SELECT instance, sequence + ${length}, timestamp, execution_id, event, hash FROM events`
            )
          )
          assert.deepStrictEqual(added.broken, { instance: "main", sequence: length + 1, kind: "changed" })
          for (const number of numbers) {
            const forged = yield* after(
              change((sql) =>
                Effect.gen(function* () {
                  const rows = yield* sql<{ event: string; hash: string }>`
                  SELECT event, hash FROM events WHERE sequence <= ${number} ORDER BY sequence`
                  const event = rows[number - 1]?.event.replace("signal_sent", "execution_killed") ?? ""
                  const hash = Chain.hashOf(rows[number - 2]?.hash ?? Chain.genesis.hash, event)
                  yield* sql`UPDATE events SET event = ${event}, hash = ${hash} WHERE sequence = ${number}`
                })
              )
            )
            const seenAt = Math.min(number + 1, length)
            assert.deepStrictEqual(
              forged.broken,
              { instance: "main", sequence: seenAt, kind: "changed" },
              `event ${number}`
            )
          }
          for (const text of [
            "sequence = sequence - 1",
            "sequence = sequence + 1",
            "hash = removed_hash",
            "removed_hash = hash",
            "removed_sequence = 3"
          ]) {
            const found = yield* after(change((sql) => sql.unsafe(`UPDATE chains SET ${text}`)))
            assert.isFalse(found.intact, text)
          }
          const gone = yield* after(change((sql) => sql`DELETE FROM chains`))
          assert.isFalse(gone.intact)
          const verdict = yield* (yield* ExecutionStore).verify
          assert.deepStrictEqual([verdict.intact, verdict.checked], [true, length])
        })
        yield* Effect.provide(body, storeIn(database))
      })
  )
})

it("no text but an event's own fits its place in a chain", () => {
  const entry = happened("a", "signal_sent", { part: 1 })
  if (entry._tag !== "Happened") throw new Error("not an event")
  const link = Chain.append(Chain.genesis, entry.event)
  assert.isUndefined(Chain.check(Chain.genesis, link))
  const position = FastCheck.nat(link.event.length - 1)
  FastCheck.assert(
    FastCheck.property(position, FastCheck.char(), (at, char) => {
      const event = link.event.slice(0, at) + char + link.event.slice(at + 1)
      assert.strictEqual(Chain.check(Chain.genesis, { ...link, event }) === undefined, event === link.event)
    }),
    { numRuns: 1000 }
  )
})

it("an event's hash can be computed by anybody: SHA-256 of the hash before it and its text", () => {
  assert.strictEqual(
    Chain.hashOf("00", "{}"),
    // printf '00{}' | sha256sum
    "ad66890dd29f1d8f13146a701a0c00a5fe54361690c4106647f27d68b3010f47"
  )
})
