import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { ExecutionStore } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import { inject } from "vitest"
import { SqlExecutionStore } from "../src/index.js"
import { postgresAt, sqliteAt, storeIn, temporaryDirectory } from "./Databases.js"

const { began, ended, happened, id, put, result } = Entries

const big = (name: string) => ended(name, { result: result(name, { stdout: "x".repeat(200_000) }) })

const execution = (name: string) => [began(name), happened(name), big(name)]

/** Writes until a commit fails. */
const fill = Effect.gen(function* () {
  const store = yield* ExecutionStore
  const kept: Array<string> = []
  for (let index = 0; index < 1000; index++) {
    yield* store.append(execution(`n${index}`))
    const committed = yield* Effect.isSuccess(store.commit)
    if (!committed) return { kept, failed: `n${index}` }
    kept.push(`n${index}`)
  }
  return yield* Effect.dieMessage("the disk was never full")
})

const assertRefusesThenRecovers = <E>(makeRoom: Effect.Effect<unknown, E, SqlClient.SqlClient>) =>
  Effect.gen(function* () {
    const store = yield* ExecutionStore
    const { failed, kept } = yield* fill
    assert.isAbove(kept.length, 0)
    // What is kept can still be read, the chain holds, and commits fail at once.
    assert.strictEqual((yield* store.list({ limit: 1000 })).items.length, kept.length)
    assert.deepInclude(yield* store.verify, { intact: true, checked: kept.length })
    assert.strictEqual((yield* Effect.flip(store.commit))._tag, "StoreFailure")
    yield* store.append(execution("later"))
    yield* makeRoom
    yield* Effect.eventually(Effect.zipRight(Effect.sleep(20), store.commit))
    for (const name of [...kept, failed, "later"])
      assert.strictEqual(Option.getOrThrow(yield* store.find(id(name))).state, "ended")
    assert.deepInclude(yield* store.verify, { intact: true, checked: kept.length + 2 })
  })

describe("A full disk", () => {
  it.scopedLive("refuses commits, loses nothing, and recovers by itself: SQLite that may not grow", () =>
    Effect.gen(function* () {
      const database = sqliteAt(yield* temporaryDirectory)
      const limited = (pages: number) =>
        Effect.flatMap(SqlClient.SqlClient, (sql) =>
          sql.withTransaction(sql.unsafe(`PRAGMA max_page_count = ${pages}`))
        )
      const body = Effect.zipRight(limited(500), assertRefusesThenRecovers(limited(1_000_000)))
      yield* Effect.provide(body, storeIn(database))
    })
  )

  it.scopedLive("refuses commits, loses nothing, and recovers by itself: a small file system", ({ skip }) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const mount = (...args: ReadonlyArray<string>) => spawnSync("mount", args).status === 0
      if (!mount("-t", "tmpfs", "-o", "size=3m", "tmpfs", directory)) return skip("no right to mount")
      yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", ["-l", directory])))
      const grow = Effect.sync(() => assert.isTrue(mount("-o", "remount,size=100m", directory)))
      yield* Effect.provide(assertRefusesThenRecovers(grow), storeIn(sqliteAt(join(directory, "data"))))
    })
  )
})

const server = inject("postgres")

describe.runIf("url" in server)("A lost connection", () => {
  it.scopedLive("refuses commits or waits, loses nothing, and recovers by itself", () =>
    Effect.gen(function* () {
      if (!("url" in server)) return
      const operator = Context.get(
        yield* Layer.build(Layer.fresh(postgresAt(server.url))),
        SqlClient.SqlClient
      )
      // Other tests have theirs in the same server at the same time.
      yield* operator`CREATE DATABASE cut`
      const database = postgresAt(server.url.replace(/postgres$/, "cut"))
      let hits = 0
      const cut = Effect.map(
        operator`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE state <> 'idle' AND datname = 'cut'`,
        (rows) => {
          hits += rows.length
        }
      )
      // Not for ever, so that a slow machine gets a transaction through.
      const cutting = Effect.repeat(Effect.zipLeft(cut, Effect.sleep(20)), { while: () => hits < 4 })
      const body = Effect.gen(function* () {
        const store = yield* ExecutionStore
        const names = Array.from({ length: 200 }, (_, index) => `n${index}`)
        const write = Effect.forEach(
          names,
          (name) =>
            Effect.zipRight(
              store.append([began(name), happened(name), ended(name)]),
              Effect.eventually(Effect.zipRight(Effect.sleep(1), store.commit))
            ),
          { concurrency: 4, discard: true }
        )
        yield* Effect.raceFirst(write, Effect.zipRight(cutting, Effect.never))
        assert.isAbove(hits, 0)
        const { items } = yield* store.list({ limit: 1000, state: "ended" })
        assert.strictEqual(items.length, names.length)
        assert.deepInclude(yield* store.verify, { intact: true, checked: names.length })
      })
      yield* Effect.provide(body, Layer.provideMerge(SqlExecutionStore.layer(), database))
    })
  )
})

it.scopedLive("A database that cannot be opened is a StoreFailure, and not a store", () =>
  Effect.gen(function* () {
    const directory = join(yield* temporaryDirectory, "file")
    yield* Effect.provide(put(began("a")), storeIn(sqliteAt(directory)))
    const failure = yield* Effect.flip(
      Effect.provide(put(began("a")), storeIn(sqliteAt(join(directory, "bulkhead.db"))))
    )
    assert.strictEqual(failure._tag, "StoreFailure")
    const away = yield* Effect.flip(
      Effect.provide(
        put(began("a")),
        storeIn({ open: () => postgresAt("postgresql://127.0.0.1:1/x"), place: "" })
      )
    )
    assert.strictEqual(away.message, "The database could not be opened")
  })
)
