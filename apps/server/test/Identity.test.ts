import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const leavesArtifact = { code: "open('/home/user/output/note.txt', 'w').write('kept')" }

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

describe("the name of a server", () => {
  it.scopedLive("is made once, and its artifacts are there whatever its port", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const settings = { SANDBOX_DATA_DIR: directory }
      const first = yield* during(settings, Caller.execute(leavesArtifact))
      const second = yield* during(settings, artifact(first.found.executionId))
      assert.deepStrictEqual([second.found.status, String(second.found.content)], [200, "kept"])
      assert.strictEqual(nameIn(second.stderr), nameIn(first.stderr))
      assert.strictEqual(readFileSync(join(directory, "instance"), "utf8"), `${nameIn(first.stderr)}\n`)
    })
  )

  it.scopedLive("is the one of the setting, and stays when the setting goes", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const named = { SANDBOX_DATA_DIR: directory, SANDBOX_INSTANCE: "named" }
      const first = yield* during(named, Caller.execute(leavesArtifact))
      assert.strictEqual(nameIn(first.stderr), "named")
      const second = yield* during({ SANDBOX_DATA_DIR: directory }, Effect.void)
      assert.strictEqual(nameIn(second.stderr), "named")
      const third = yield* during({ ...named, SANDBOX_INSTANCE: "other" }, artifact(first.found.executionId))
      assert.strictEqual(nameIn(third.stderr), "other")
      assert.strictEqual(third.found.status, 200)
    })
  )

  it.scopedLive("is the one of an earlier version, whose artifacts are carried over", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const before = { SANDBOX_DATA_DIR: directory, SANDBOX_INSTANCE: "box:8787" }
      const { found } = yield* during(before, Caller.execute(leavesArtifact))
      // As an earlier version has left it, which ran at another port before.
      const older = join(directory, "artifacts of box:1")
      mkdirSync(join(older, "kept"), { recursive: true, mode: 0o700 })
      renameSync(join(directory, "artifacts"), join(directory, "artifacts of box:8787"))
      utimesSync(older, 1, 1)
      rmSync(join(directory, "instance"))
      const later = yield* during({ SANDBOX_DATA_DIR: directory }, artifact(found.executionId))
      assert.strictEqual(nameIn(later.stderr), "box:8787")
      assert.deepStrictEqual([later.found.status, String(later.found.content)], [200, "kept"])
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => name.startsWith("artifacts")),
        ["artifacts"]
      )
    })
  )

  it.scopedLive("that cannot be one is refused with the file that holds it", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      writeFileSync(join(directory, "instance"), "a b\n")
      const { code, stderr } = yield* ServerProcess.refused({ SANDBOX_DATA_DIR: directory })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^bulkhead: SANDBOX_INSTANCE: \S+\/instance holds no name of a server[^\n]+\n$/)
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
        const program = { code: "import time; time.sleep(600)", userId: "ann" }
        yield* Effect.forkScoped(use(Effect.ignore(Caller.tryPost(program))))
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
      const running = yield* Effect.fork(
        Effect.provideService(
          Caller.execute({ code: "import time; time.sleep(6); print('done')", userId: "ann" }),
          ServerProcess.ServerProcess,
          first
        )
      )
      yield* Effect.provideService(Caller.inState("ann", "running"), ServerProcess.ServerProcess, first)
      for (const settings of [{}, { SANDBOX_INSTANCE: "other" }]) {
        const { code, stderr } = yield* ServerProcess.refused({ SANDBOX_DATA_DIR: directory, ...settings })
        assert.strictEqual(code, 1)
        assert.match(stderr, /^bulkhead: SANDBOX_DATA_DIR: \S+ is in use by another server; stop[^\n]+\n$/)
      }
      const result = yield* running
      assert.deepInclude(result, { verdict: "Completed", stdout: "done\n" })
    })
  )

  it.scopedLive("starts at once after the first was killed, even by SIGKILL while stopped", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const settings = { SANDBOX_DATA_DIR: directory }
      const first = yield* ServerProcess.start(settings)
      yield* first.kill("SIGSTOP")
      const refused = yield* ServerProcess.refused(settings)
      assert.include(refused.stderr, "is in use by another server")
      yield* first.kill("SIGKILL")
      yield* first.ended
      const [took] = yield* Effect.timed(ServerProcess.start(settings))
      assert.isBelow(Duration.toMillis(took), 10_000)
    })
  )
})
