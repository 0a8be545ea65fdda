import { join } from "node:path"
import { Backup } from "@bulkhead/store"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import Database from "libsql"

const withTables = (file: string) =>
  Effect.sync(() => {
    const database = new Database(file)
    database.exec(`
      CREATE TABLE chains (instance TEXT PRIMARY KEY, sequence BIGINT, hash TEXT, removed_sequence BIGINT,
        removed_hash TEXT);
      CREATE TABLE events (instance TEXT, sequence BIGINT, timestamp BIGINT, execution_id TEXT, event TEXT, hash TEXT);
      CREATE TABLE executions (execution_id TEXT, result TEXT);
    `)
    const insert = database.prepare("INSERT INTO executions VALUES (?, ?)")
    for (let index = 0; index < 200; index++) insert.run([`e${index}`, "x".repeat(500)])
    database.close()
  })

const directory = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "backup-test-" })
)

const reasonOf = (file: string) => Effect.map(Effect.flip(Backup.check(file)), ({ reason }) => reason)

describe("Backup", () => {
  it.scopedLive("names why a file cannot be restored from, and leaves it as it was", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const place = yield* directory
      const file = join(place, "copy.db")
      assert.include(yield* reasonOf(file), "no such file")
      yield* fs.writeFileString(file, "")
      assert.include(yield* reasonOf(file), "no such table")
      yield* fs.writeFileString(file, "not a database at all".repeat(100))
      assert.include(yield* reasonOf(file), "not a database")

      yield* fs.remove(file)
      yield* withTables(file)
      assert.include(yield* Backup.check(file), { executions: 200 })
      const whole = yield* fs.readFile(file)
      const broken = Uint8Array.from(whole)
      broken.fill(255, broken.length - 3 * 4096, broken.length - 4096)
      yield* fs.writeFile(file, broken)
      assert.match(yield* reasonOf(file), /damaged|malformed/)
      assert.deepStrictEqual(yield* fs.readFile(file), broken)
      yield* fs.writeFile(file, whole.subarray(0, whole.length - 4096))
      assert.match(yield* reasonOf(file), /damaged|malformed/)
      assert.deepStrictEqual(yield* fs.readDirectory(place), ["copy.db"])
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
