import {
  closeSync,
  copyFileSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { ExecutionStore, type StoreFailure } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schedule } from "effect"
import { sqliteAt, storeIn, temporaryDirectory } from "./Databases.js"

const { began, ended, happened, id, put, result } = Entries

const execution = (name: string, characters = 20_000) => [
  began(name),
  happened(name),
  ended(name, { result: result(name, { stdout: "x".repeat(characters) }) })
]

const names = Array.from({ length: 50 }, (_, index) => `n${index}`)

/** Waits until the store says by itself that it is lost. */
const lost = Effect.flatMap(ExecutionStore, ({ ready }) =>
  Effect.flip(ready).pipe(
    Effect.retry(Schedule.spaced("20 millis")),
    Effect.timeout("5 seconds"),
    Effect.orDie
  )
)

const found = Effect.flatMap(ExecutionStore, ({ ready }) =>
  ready.pipe(Effect.retry(Schedule.spaced("20 millis")), Effect.timeout("5 seconds"), Effect.orDie)
)

/** Nothing is read, nothing counts as written, and each says why. */
const assertRefuses = (reason: RegExp) =>
  Effect.gen(function* () {
    const store = yield* ExecutionStore
    yield* store.append([began("late")])
    const answers: ReadonlyArray<Effect.Effect<unknown, StoreFailure>> = [
      store.find(id("n0")),
      store.find(id("unknown")),
      store.list({}),
      store.events(id("n0"), {}),
      store.usage({}),
      store.verify,
      store.commit,
      store.commit
    ]
    for (const answer of answers) assert.match((yield* Effect.flip(answer)).reason ?? "", reason)
    assert.match((yield* lost).reason ?? "", reason)
  })

const overwrite = (file: string, from: number, bytes: number) => {
  const descriptor = openSync(file, "r+")
  writeSync(descriptor, Buffer.alloc(bytes, 0xa5), 0, bytes, from)
  closeSync(descriptor)
}

const losses: ReadonlyArray<readonly [what: string, lose: (file: string) => void, reason: RegExp]> = [
  ["deleted", (file) => rmSync(file), /^the database file was deleted/],
  ["deleted with its log", (file) => rmSync(join(file, ".."), { recursive: true }), /was deleted/],
  ["left without its log", (file) => rmSync(`${file}-wal`), /^the database's log file was deleted/],
  [
    "replaced by a copy",
    (file) => {
      copyFileSync(file, `${file}.copy`)
      renameSync(`${file}.copy`, file)
    },
    /^the database file was replaced/
  ],
  ["emptied", (file) => truncateSync(file, 0), /^the database file was cut short/],
  ["cut short", (file) => truncateSync(file, statSync(file).size - 4096), /^the database file was cut short/],
  ["overwritten at its beginning", (file) => overwrite(file, 0, 16), /^the database file is no database/]
]

describe("A SQLite file that is", () => {
  for (const [what, lose, reason] of losses)
    it.scopedLive(`${what} under the store is noticed, named, and never answered from`, () =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "data")
        yield* Effect.provide(put(...names.flatMap((name) => execution(name))), storeIn(sqliteAt(directory)))
        yield* Effect.gen(function* () {
          yield* put(began("n50"))
          yield* Effect.sync(() => lose(join(directory, "bulkhead.db")))
          yield* assertRefuses(reason)
        }).pipe(Effect.provide(storeIn(sqliteAt(directory))))
      })
    )

  it.scopedLive("damaged in the middle is noticed when it is read, and not answered from any more", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const file = join(directory, "bulkhead.db")
      // More than is remembered of it.
      const large = names.flatMap((name) => execution(name, 600_000))
      yield* Effect.provide(put(...large), storeIn(sqliteAt(directory)))
      yield* Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* Effect.sync(() => overwrite(file, 4096, statSync(file).size - 4096))
        yield* Effect.exit(Effect.forEach(names, (name) => store.find(id(name))))
        yield* assertRefuses(/^the database file is damaged; restore it, then restart the server/)
      }).pipe(Effect.provide(storeIn(sqliteAt(directory))))
      const refused = yield* Effect.flip(Effect.provide(put(began("a")), storeIn(sqliteAt(directory))))
      assert.strictEqual(refused.message, "The database could not be opened")
    })
  )

  it.scopedLive("moved away and put back loses nothing", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const file = join(directory, "bulkhead.db")
      yield* Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(...execution("n0"))
        yield* Effect.sync(() => renameSync(file, `${file}.away`))
        yield* assertRefuses(/^the database file was deleted/)
        const sql = yield* SqlClient.SqlClient
        const transaction = Effect.timeout(sql.withTransaction(sql`SELECT 1`), "5 seconds")
        assert.strictEqual((yield* Effect.flip(transaction)).message, "The database is lost")
        yield* Effect.sync(() => renameSync(`${file}.away`, file))
        yield* found
        yield* transaction
        yield* store.commit
        for (const name of ["n0", "late"]) assert.isTrue(Option.isSome(yield* store.find(id(name))))
        assert.deepInclude(yield* store.verify, { intact: true })
      }).pipe(Effect.provide(storeIn(sqliteAt(directory))))
    })
  )
})
