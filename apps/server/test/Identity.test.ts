import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { DataDirectory } from "../src/data/DataDirectory.js"
import { Instance } from "../src/data/Instance.js"
import * as Caller from "./Caller.js"
import { type Environment, refusal, settingsFrom } from "./Refusal.js"
import * as ServerProcess from "./ServerProcess.js"

const leavesArtifact = { code: "open('/home/user/output/note.txt', 'w').write('kept')" }

const runsForLong = { code: "import time; time.sleep(600)", userId: "ann" }

/** Starts a server, uses it, and stops it. */
const during = <A>(
  settings: Readonly<Record<string, string>>,
  use: Effect.Effect<A, never, ServerProcess.ServerProcess>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* ServerProcess.start(settings)
      const found = yield* Effect.provideService(use, ServerProcess.ServerProcess, server)
      yield* server.kill("SIGTERM")
      return { found, ...(yield* server.ended) }
    })
  )

const nameIn = (text: string) => /^ {2}instance +(\S+)$/m.exec(text)?.[1]

const artifact = (executionId: string) => Caller.download(`/api/executions/${executionId}/artifacts/note.txt`)

const instance = Layer.provide(Instance.layer, DataDirectory.layer)

/** The name that a server with these settings has. */
const nameWith = (settings: Environment) =>
  Effect.provide(Instance, Layer.provide(instance, settingsFrom(settings)))

describe("the name of a server", () => {
  it.scopedLive("is made once", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const settings = { SANDBOX_DATA_DIR: directory }
      const name = yield* nameWith({ ...settings, PORT: "1" })
      assert.strictEqual(yield* nameWith({ ...settings, PORT: "2" }), name)
      assert.strictEqual(readFileSync(join(directory, "instance"), "utf8"), `${name}\n`)
      const another = yield* nameWith({ SANDBOX_DATA_DIR: yield* ServerProcess.temporaryDirectory })
      assert.notStrictEqual(another, name)
    })
  )

  it.scopedLive("is the one of the setting, and stays when the setting goes", () =>
    Effect.gen(function* () {
      const settings = { SANDBOX_DATA_DIR: yield* ServerProcess.temporaryDirectory }
      for (const SANDBOX_INSTANCE of ["named", "other"]) {
        assert.strictEqual(yield* nameWith({ ...settings, SANDBOX_INSTANCE }), SANDBOX_INSTANCE)
        assert.strictEqual(yield* nameWith(settings), SANDBOX_INSTANCE)
      }
    })
  )

  it.scopedLive("that cannot be one is refused with the file that holds it", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      writeFileSync(join(directory, "instance"), "a b\n")
      assert.match(
        yield* refusal(instance, { SANDBOX_DATA_DIR: directory }),
        /^SANDBOX_INSTANCE: \S+\/instance holds no name of a server[^\n]+$/
      )
    })
  )

  it.scopedLive("may change, and its artifacts are there, also those that an earlier version has left", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const settings = { SANDBOX_DATA_DIR: directory }
      const first = yield* during(settings, Caller.execute(leavesArtifact))
      assert.strictEqual(readFileSync(join(directory, "instance"), "utf8"), `${nameIn(first.stderr)}\n`)
      const read = artifact(first.found.executionId)
      const second = yield* during({ ...settings, SANDBOX_INSTANCE: "other" }, read)
      assert.strictEqual(nameIn(second.stderr), "other")
      assert.deepStrictEqual([second.found.status, String(second.found.content)], [200, "kept"])

      // As an earlier version has left it, which ran at another port before.
      const older = join(directory, "artifacts of box:1")
      mkdirSync(join(older, "kept"), { recursive: true, mode: 0o700 })
      renameSync(join(directory, "artifacts"), join(directory, "artifacts of box:8787"))
      utimesSync(older, 1, 1)
      rmSync(join(directory, "instance"))
      const later = yield* during(settings, read)
      assert.strictEqual(nameIn(later.stderr), "box:8787")
      assert.deepStrictEqual([later.found.status, String(later.found.content)], [200, "kept"])
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => name.startsWith("artifacts")),
        ["artifacts"]
      )
    })
  )
})

describe("a server of another name in the same directory", () => {
  it.scopedLive(
    "ends at its start what the one before it left when it was killed, and verifies its events",
    () =>
      Effect.gen(function* () {
        const settings = { SANDBOX_DATA_DIR: yield* ServerProcess.temporaryDirectory }
        const first = yield* ServerProcess.start({ ...settings, SANDBOX_INSTANCE: "one" })
        const use = Effect.provideService(ServerProcess.ServerProcess, first)
        yield* Effect.forkScoped(use(Effect.ignore(Caller.tryPost(runsForLong))))
        const { executionId } = yield* use(Caller.inState("ann", "running"))
        // Asking for its events has them written first.
        yield* use(Caller.logs(executionId))
        yield* first.kill("SIGKILL")
        yield* first.ended
        const { found } = yield* during(
          { ...settings, SANDBOX_INSTANCE: "two" },
          Effect.all({
            execution: Caller.get(`/api/sandbox/executions/${executionId}`),
            events: Caller.logs(executionId),
            audit: Caller.get("/api/sandbox/audit/verify")
          })
        )
        assert.deepInclude(found.execution, { state: "ended", verdict: "InternalError" })
        assert.strictEqual(found.events.at(-1)?.event, "execution_failed")
        assert.isTrue(found.audit.intact)
        assert.deepStrictEqual(
          found.audit.chains.map(({ instance }: { readonly instance: string }) => instance),
          ["one", "two"]
        )
      })
  )
})

describe("a second server", () => {
  it.scopedLive("does not start in a data directory that is in use, nor disturbs the first", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const first = yield* ServerProcess.start({ SANDBOX_DATA_DIR: directory })
      const here = Effect.provideService(ServerProcess.ServerProcess, first)
      const running = yield* Effect.fork(here(Caller.execute(runsForLong)))
      const { executionId } = yield* here(Caller.inState("ann", "running"))
      const settings = { SANDBOX_DATA_DIR: directory, SANDBOX_INSTANCE: "other" }
      const { code, stderr } = yield* ServerProcess.refused(settings)
      assert.strictEqual(code, 1)
      assert.match(stderr, /^bulkhead: SANDBOX_DATA_DIR: \S+ is in use by another server; stop[^\n]+\n$/)
      assert.strictEqual(yield* here(Caller.kill(executionId)), 200)
      assert.strictEqual((yield* Fiber.join(running)).verdict, "Killed")
      assert.strictEqual((yield* here(Caller.execute({ code: "print(1)" }))).stdout, "1\n")
    })
  )

  it.scopedLive("starts at once after the first was killed, even by SIGKILL while stopped", () =>
    Effect.gen(function* () {
      const settings = { SANDBOX_DATA_DIR: yield* ServerProcess.temporaryDirectory }
      const first = yield* ServerProcess.start(settings)
      yield* first.kill("SIGSTOP")
      assert.include(yield* refusal(DataDirectory.layer, settings), "is in use by another server")
      yield* first.kill("SIGKILL")
      yield* first.ended
      const [took] = yield* Effect.timed(ServerProcess.start(settings))
      assert.isBelow(Duration.toMillis(took), 10_000)
    })
  )
})
