import { readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as ServerProcess from "../../server/test/ServerProcess.js"
import * as Cli from "./Cli.js"
import * as Programs from "./Programs.js"

const slow = { timeout: 120_000 }

const ownDirectories = Effect.sync(() =>
  readdirSync(tmpdir())
    .filter((name) => name.startsWith("bulkhead-own-"))
    .toSorted()
)

const commandLineOf = (pid: string) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
  } catch {
    return []
  }
}

/** The servers that this command has started. */
const serversOf = (pid: number) =>
  Effect.sync(() =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && commandLineOf(name).includes("attached"))
      .filter(
        (name) => readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.split(" ")[1] === String(pid)
      )
  )

const isAlive = (pid: string) => commandLineOf(pid).includes("attached")

describe("bulkhead serve", () => {
  it.scopedLive(
    "is the server itself, which shuts down at a signal",
    () =>
      Effect.gen(function* () {
        const directory = yield* ServerProcess.temporaryDirectory
        const server = yield* Cli.start(["serve"], { env: { PORT: "0", SANDBOX_DATA_DIR: directory } })
        yield* server.printed("Bulkhead is listening on http://127.0.0.1:")
        yield* server.kill("SIGTERM")
        const { code, stdout } = yield* server.ended
        assert.strictEqual(code, 0)
        assert.include(stdout.toString(), "Shutting down")
      }),
    slow
  )
})

describe("bulkhead run without a server", () => {
  it.scopedLive(
    "starts one for the run, which nobody else can use, and ends it",
    () =>
      Effect.gen(function* () {
        yield* ServerProcess.bundled
        const before = yield* ownDirectories
        const cli = yield* Cli.start(["run", "-", "--user", "ann"])
        yield* cli.type(Programs.endless.replace("time.sleep(0.1)", "exit(3)"))
        yield* cli.endInput
        yield* cli.printed("begun")
        const { code, stderr, stdout } = yield* cli.ended
        assert.deepStrictEqual([code, stdout.toString(), stderr], [3, "begun\n", ""])
        assert.deepStrictEqual(yield* ownDirectories, before)
      }),
    slow
  )

  it.scopedLive(
    "leaves none behind, however it ends",
    () =>
      Effect.gen(function* () {
        yield* ServerProcess.bundled
        const before = yield* ownDirectories
        const cli = yield* Cli.start(["run", "-"], { env: { SANDBOX_KILL_GRACE_PERIOD: "1" } })
        yield* cli.type(Programs.endless)
        yield* cli.endInput
        yield* cli.printed("begun")
        const servers = yield* serversOf(cli.pid)
        assert.lengthOf(servers, 1)
        yield* cli.kill("SIGKILL")
        yield* cli.ended
        yield* Effect.repeat(
          Effect.sync(() => servers.some(isAlive)),
          {
            until: (alive) => !alive,
            schedule: Schedule.spaced("50 millis")
          }
        )
        assert.deepStrictEqual(yield* ownDirectories, before)
      }),
    slow
  )

  it.scopedLive(
    "says why its server did not start",
    () =>
      Effect.gen(function* () {
        const { code, stderr } = yield* Cli.run(["run", "-"], {
          input: "1",
          env: { SANDBOX_MAX_TIMEOUT: "soon" }
        })
        assert.strictEqual(code, 125)
        assert.match(stderr, /^bulkhead: the server of this command ended: SANDBOX_MAX_TIMEOUT: expected /)
      }),
    slow
  )
})
