import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { DataDirectory } from "../src/data/DataDirectory.js"
import { Holder } from "../src/data/Holder.js"
import { Instance } from "../src/data/Instance.js"
import * as StartFailure from "../src/StartFailure.js"
import * as Store from "../src/Store.js"
import { ServerConfig } from "../src/settings/ServerConfig.js"
import { StoreConfig } from "../src/settings/StoreConfig.js"
import { temporaryDirectory } from "./ServerProcess.js"

const open = (environment: Readonly<Record<string, string>>) =>
  Store.layer.pipe(
    Layer.provide(Layer.merge(Instance.layer, Holder.layer)),
    Layer.provide(DataDirectory.layer),
    Layer.provide([StoreConfig.layerFromEnv, ServerConfig.layerFromEnv]),
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))),
    Layer.build,
    Effect.scoped
  )

const refusal = (environment: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(open(environment)), StartFailure.describeFailure)

const advice = "name a directory with free space that the server's user may write"

describe("a data directory", () => {
  it.scopedLive("is made with those above it, for this user alone, and nothing is left of the trial", () =>
    Effect.gen(function* () {
      const above = join(yield* temporaryDirectory, "a")
      const directory = join(above, "b")
      yield* open({ SANDBOX_DATA_DIR: directory, SANDBOX_INSTANCE: "main" })
      for (const path of [above, directory]) assert.strictEqual(statSync(path).mode & 0o777, 0o700)
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => !name.startsWith("bulkhead.db")),
        ["artifacts", "holder", "instance", "lock", "uploads"]
      )
      yield* open({ SANDBOX_DATA_DIR: directory, SANDBOX_INSTANCE: "main" })
    })
  )

  it.scopedLive("that cannot be written is named with the reason", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const file = join(directory, "file")
      writeFileSync(file, "")
      const bad: ReadonlyArray<readonly [string, string]> = [
        [file, "not a directory"],
        [join(file, "a/b"), "not a directory"],
        ["/proc/foo", "no such file or directory"],
        ["/proc/foo/bar", "no such file or directory"],
        ["/proc", "no such file or directory"]
      ]
      for (const [path, reason] of bad)
        assert.strictEqual(
          yield* refusal({ SANDBOX_DATA_DIR: path }),
          `SANDBOX_DATA_DIR: ${path} cannot be written: ${reason}; ${advice}`
        )
    })
  )

  it.scopedLive("whose database is none, or whose disk is full, is named with the reason", ({ skip }) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      writeFileSync(join(directory, "bulkhead.db"), "not a database".repeat(1000))
      assert.strictEqual(
        yield* refusal({ SANDBOX_DATA_DIR: directory }),
        "SANDBOX_DATA_DIR: The database could not be opened: file is not a database; " +
          `see to bulkhead.db and the room on the disk in ${directory}, or name another directory`
      )
      const full = join(directory, "full")
      mkdirSync(full)
      const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4k,mode=700", "tmpfs", full])
      if (status !== 0) return skip("no right to mount")
      yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", ["-l", full])))
      writeFileSync(join(full, "all"), "x".repeat(4096))
      assert.strictEqual(
        yield* refusal({ SANDBOX_DATA_DIR: full }),
        `SANDBOX_DATA_DIR: ${full} cannot be written: no space left on device; ${advice}`
      )
    })
  )
})

/** Answers as PostgreSQL does when it lets nobody in: with one error, in its protocol. */
const refusingPostgres = (code: string, message: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const fields = Buffer.from(`SFATAL\0C${code}\0M${message}\0\0`)
        const head = Buffer.from("E\0\0\0\0")
        head.writeInt32BE(fields.length + 4, 1)
        const server = createServer((socket) =>
          socket.once("data", () => socket.end(Buffer.concat([head, fields])))
        )
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => (server.address() as AddressInfo).port
  )

describe("a PostgreSQL that cannot be used", () => {
  const could = "DATABASE_URL: The database could not be opened"
  const assertRefused = Effect.fnUntraced(function* (address: string, reason: string) {
    const line = yield* refusal({
      SANDBOX_DATA_DIR: yield* temporaryDirectory,
      DATABASE_URL: `postgresql://ann:hush@${address}`
    })
    assert.strictEqual(line, `${could}: ${reason}; correct the URL, or what is wrong at PostgreSQL`)
  })

  it.scopedLive("is named with what it says", () =>
    Effect.gen(function* () {
      for (const [code, says] of [
        ["28P01", 'password authentication failed for user "ann"'],
        ["3D000", 'database "books" does not exist']
      ] as const)
        yield* assertRefused(`127.0.0.1:${yield* refusingPostgres(code, says)}/books`, says)
    })
  )

  it.scopedLive("is named with why it was not reached", () =>
    Effect.gen(function* () {
      yield* assertRefused("127.0.0.1:1/books", "connection refused (127.0.0.1, port 1)")
      const socket = "/nowhere/.s.PGSQL.5432"
      yield* assertRefused("%2Fnowhere/books", `no such file or directory (${socket})`)
    })
  )
})
