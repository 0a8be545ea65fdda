import { spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Duration, Effect, Layer } from "effect"
import { DataDirectory } from "../src/data/DataDirectory.js"
import * as Caller from "./Caller.js"
import * as Refusal from "./Refusal.js"
import * as ServerProcess from "./ServerProcess.js"

/** A server that ran in a directory, and has left its files there. */
const runIn = (directory: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* ServerProcess.start({ SANDBOX_DATA_DIR: directory })
      yield* server.kill("SIGTERM")
      assert.strictEqual((yield* server.ended).code, 0)
    })
  )

/** The one line by which a directory is refused. */
const refusal = (directory: string) =>
  Effect.tap(Refusal.refusal(DataDirectory.layer, { SANDBOX_DATA_DIR: directory }), (line) =>
    assert.notInclude(line, "\n")
  )

const isRoot = process.getuid?.() === 0

describe("a data directory", () => {
  it.scopedLive("that others may write is refused, with what to do", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      for (const mode of [0o770, 0o707, 0o777]) {
        chmodSync(directory, mode)
        const line = yield* refusal(directory)
        assert.match(line, /^SANDBOX_DATA_DIR: \S+ can be written by other users.*chmod go-w/)
      }
      const { code, stderr, stdout } = yield* ServerProcess.refused({ SANDBOX_DATA_DIR: directory })
      assert.deepStrictEqual([code, stdout], [1, ""])
      assert.match(stderr, /^bulkhead: SANDBOX_DATA_DIR: \S+ can be written by other users[^\n]+\n$/)
    })
  )

  it.scopedLive("of another user, or that another user has made a link to, is refused", ({ skip }) =>
    Effect.gen(function* () {
      if (!isRoot) return skip("only root can give files away")
      const directory = yield* ServerProcess.temporaryDirectory
      chownSync(directory, 65_534, 65_534)
      assert.match(yield* refusal(directory), /^SANDBOX_DATA_DIR: \S+ belongs to user 65534.*chown/)
      chownSync(directory, 0, 0)
      writeFileSync(join(directory, "instance"), "main")
      chownSync(join(directory, "instance"), 65_534, 65_534)
      assert.include(yield* refusal(directory), "instance belongs to user 65534")
      rmSync(join(directory, "instance"))
      const link = join(yield* ServerProcess.temporaryDirectory, "link")
      symlinkSync(directory, link)
      spawnSync("chown", ["-h", "65534", link])
      assert.include(yield* refusal(link), `${link} belongs to user 65534`)
    })
  )

  it.scopedLive("that is a file, lies in one, or takes nothing, is refused at once", () =>
    Effect.gen(function* () {
      const file = join(yield* ServerProcess.temporaryDirectory, "file")
      writeFileSync(file, "")
      for (const path of [file, join(file, "below"), "/proc/nothing", "/proc/nothing/below"]) {
        const [took, line] = yield* Effect.timed(refusal(path))
        assert.include(line, `SANDBOX_DATA_DIR: ${path} cannot be written: `)
        assert.isBelow(Duration.toMillis(took), 10_000)
      }
    })
  )

  it.scopedLive("with a database that is a directory is refused with the reason", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      mkdirSync(join(directory, "bulkhead.db"), { mode: 0o700 })
      const { code, stderr } = yield* ServerProcess.refused({ SANDBOX_DATA_DIR: directory })
      assert.strictEqual(code, 1)
      assert.match(
        stderr,
        /^bulkhead: SANDBOX_DATA_DIR: The database could not be opened: .*; see to bulkhead\.db[^\n]+\n$/
      )
    })
  )
})

/** A directory in which a server ran, which reached it by a link of our own. */
class UsedDirectory extends Context.Tag("test/UsedDirectory")<UsedDirectory, string>() {
  static readonly layer = Layer.scoped(
    UsedDirectory,
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const link = join(yield* ServerProcess.temporaryDirectory, "link")
      symlinkSync(directory, link)
      yield* runIn(link)
      return directory
    })
  )
}

const files = ["bulkhead.db", "instance", "lock", "artifacts", "artifacts/kept"]

layer(UsedDirectory.layer, { excludeTestServices: true, timeout: 30_000 })(
  "a data directory that a server has used",
  (it) => {
    it.effect("has files for us alone", () =>
      Effect.gen(function* () {
        const directory = yield* UsedDirectory
        const modes = files.map((name) => [name, (statSync(join(directory, name)).mode & 0o777).toString(8)])
        assert.deepStrictEqual(modes, [
          ["bulkhead.db", "600"],
          ["instance", "600"],
          ["lock", "600"],
          ["artifacts", "700"],
          ["artifacts/kept", "700"]
        ])
      })
    )

    it.effect("is refused when others may write its files", () =>
      Effect.gen(function* () {
        const directory = yield* UsedDirectory
        for (const name of files) {
          const path = join(directory, name)
          const { mode } = statSync(path)
          chmodSync(path, mode | 0o020)
          assert.include(yield* refusal(directory), `SANDBOX_DATA_DIR: ${path} can be written by other users`)
          chmodSync(path, mode)
        }
      })
    )

    it.scoped("is refused with links in place of its files, and they are not followed", () =>
      Effect.gen(function* () {
        const directory = yield* UsedDirectory
        const elsewhere = yield* ServerProcess.temporaryDirectory
        for (const name of [...files, "artifacts/staging"]) {
          const path = join(directory, name)
          const aside = join(elsewhere, "aside")
          const target = join(elsewhere, "target")
          renameSync(path, aside)
          symlinkSync(target, path)
          assert.include(yield* refusal(directory), `SANDBOX_DATA_DIR: ${path} is a symbolic link`)
          assert.isUndefined(statSync(target, { throwIfNoEntry: false }))
          rmSync(path)
          renameSync(aside, path)
        }
      })
    )
  }
)

describe("what a server says", () => {
  it.scopedLive("is lines of JSON alone on stdout, and the rest on stderr", () =>
    Effect.gen(function* () {
      const server = yield* ServerProcess.start({
        SANDBOX_MAX_TIMOUT: "5",
        SANDBOX_POOL_MIN: "",
        SANDBOX_API_KEYS: "ann:short",
        // As npm has them: what is not in capitals is another's.
        npm_execpath: "/usr/bin/npm",
        sandbox_max_timeout: "5"
      })
      const headers = { "content-type": "application/json", authorization: "Bearer short" }
      const body = JSON.stringify({ code: "print(1)" })
      const { status } = yield* Caller.fetchJson("/api/execute", { method: "POST", headers, body }).pipe(
        Effect.provideService(ServerProcess.ServerProcess, server)
      )
      assert.strictEqual(status, 200)
      yield* server.kill("SIGTERM")
      const { stderr, stdout } = yield* server.ended
      const lines = stdout.trimEnd().split("\n")
      const parsed = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
      const warnings = parsed
        .filter(({ logLevel }) => logLevel === "WARN")
        .map(({ message }) => String(message))
      assert.strictEqual(warnings.length, 2, stdout)
      assert.match(warnings[0] ?? "", /^SANDBOX_MAX_TIMOUT: .*did you mean SANDBOX_MAX_TIMEOUT\?$/)
      assert.match(warnings[1] ?? "", /^SANDBOX_API_KEYS: the key of 'ann'.*16 characters/)
      assert.isTrue(parsed.some(({ event }) => event === "execution_completed"))
      assert.match(stderr, /^Bulkhead is listening on /)
    })
  )
})
