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
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as Caller from "./Caller.js"
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

/** The one line that a server prints instead of starting. */
const refusal = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>) {
  const { code, stderr, stdout } = yield* ServerProcess.refused(settings)
  assert.strictEqual(code, 1, stderr)
  assert.strictEqual(stdout, "")
  assert.match(stderr, /^bulkhead: [^\n]+\n$/)
  return stderr
})

const isRoot = process.getuid?.() === 0

describe("a data directory", () => {
  it.scopedLive("that others may write is refused, with what to do", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      for (const mode of [0o770, 0o707, 0o777]) {
        chmodSync(directory, mode)
        const line = yield* refusal({ SANDBOX_DATA_DIR: directory })
        assert.match(line, /^bulkhead: SANDBOX_DATA_DIR: \S+ can be written by other users.*chmod go-w/)
      }
    })
  )

  it.scopedLive("whose files others may write is refused", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      yield* runIn(directory)
      for (const name of ["bulkhead.db", "instance", "lock", "artifacts", "artifacts/kept"]) {
        const path = join(directory, name)
        const { mode } = statSync(path)
        chmodSync(path, mode | 0o020)
        const line = yield* refusal({ SANDBOX_DATA_DIR: directory })
        assert.include(line, `SANDBOX_DATA_DIR: ${path} can be written by other users`)
        chmodSync(path, mode)
      }
    })
  )

  it.scopedLive("with links in place of its files is refused, and they are not followed", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const elsewhere = yield* ServerProcess.temporaryDirectory
      yield* runIn(directory)
      for (const name of ["bulkhead.db", "instance", "lock", "artifacts", "artifacts/staging"]) {
        const path = join(directory, name)
        const aside = join(elsewhere, "aside")
        const target = join(elsewhere, "target")
        renameSync(path, aside)
        symlinkSync(target, path)
        const line = yield* refusal({ SANDBOX_DATA_DIR: directory })
        assert.include(line, `SANDBOX_DATA_DIR: ${path} is a symbolic link`)
        assert.isUndefined(statSync(target, { throwIfNoEntry: false }))
        rmSync(path)
        renameSync(aside, path)
      }
    })
  )

  it.scopedLive("of another user, or that another user has made a link to, is refused", ({ skip }) =>
    Effect.gen(function* () {
      if (!isRoot) return skip("only root can give files away")
      const directory = yield* ServerProcess.temporaryDirectory
      chownSync(directory, 65_534, 65_534)
      const line = yield* refusal({ SANDBOX_DATA_DIR: directory })
      assert.match(line, /^bulkhead: SANDBOX_DATA_DIR: \S+ belongs to user 65534.*chown/)
      chownSync(directory, 0, 0)
      writeFileSync(join(directory, "instance"), "main")
      chownSync(join(directory, "instance"), 65_534, 65_534)
      assert.include(yield* refusal({ SANDBOX_DATA_DIR: directory }), "instance belongs to user 65534")
      rmSync(join(directory, "instance"))
      const link = join(yield* ServerProcess.temporaryDirectory, "link")
      symlinkSync(directory, link)
      spawnSync("chown", ["-h", "65534", link])
      assert.include(yield* refusal({ SANDBOX_DATA_DIR: link }), `${link} belongs to user 65534`)
    })
  )

  it.scopedLive("may be reached by a link of our own, and its files are for us alone", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const link = join(yield* ServerProcess.temporaryDirectory, "link")
      symlinkSync(directory, link)
      yield* runIn(link)
      const modes = ["bulkhead.db", "instance", "lock", "artifacts", "artifacts/kept"].map((name) => {
        const stats = statSync(join(directory, name))
        return [name, (stats.mode & 0o777).toString(8)]
      })
      assert.deepStrictEqual(modes, [
        ["bulkhead.db", "600"],
        ["instance", "600"],
        ["lock", "600"],
        ["artifacts", "700"],
        ["artifacts/kept", "700"]
      ])
    })
  )

  it.scopedLive("that is a file, lies in one, or takes nothing, is refused at once", () =>
    Effect.gen(function* () {
      const file = join(yield* ServerProcess.temporaryDirectory, "file")
      writeFileSync(file, "")
      for (const path of [file, join(file, "below"), "/proc/nothing", "/proc/nothing/below"]) {
        const [took, line] = yield* Effect.timed(refusal({ SANDBOX_DATA_DIR: path }))
        assert.include(line, `SANDBOX_DATA_DIR: ${path} cannot be written: `)
        assert.isBelow(Duration.toMillis(took), 10_000)
      }
    })
  )

  it.scopedLive("with a database that is a directory is refused with the reason", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      mkdirSync(join(directory, "bulkhead.db"), { mode: 0o700 })
      assert.match(
        yield* refusal({ SANDBOX_DATA_DIR: directory }),
        /^bulkhead: SANDBOX_DATA_DIR: The database could not be opened: .*; see to bulkhead\.db/
      )
    })
  )
})

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
