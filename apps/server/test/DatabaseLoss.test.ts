import { renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Artifact } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const loss = "the database file was deleted; put it back, or restart the server to go on with what is there"

/** Each mostly waits. */
const meanwhile = { concurrent: true, timeout: 60_000 }

/** Waits until `/ready` answers so, and gives what it says. */
const ready = (status: number) =>
  Caller.fetchJson("/ready").pipe(
    Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: (answer) => answer.status !== status }),
    Effect.zipRight(Caller.fetchJson("/ready")),
    Effect.timeout("10 seconds"),
    Effect.orDie
  )

it.scopedLive(
  "a server whose database is taken away says so everywhere, answers nothing from it, and goes on when it is back",
  () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const file = join(directory, "bulkhead.db")
      const server = yield* ServerProcess.start({ SANDBOX_DATA_DIR: directory })
      yield* Effect.gen(function* () {
        const { executionId } = yield* Caller.execute({ code: "echo kept", language: "bash" })
        const running = yield* Effect.fork(
          Caller.post({ code: "sleep 2; echo late > output/late.txt", language: "bash", userId: "ann" })
        )
        const { executionId: late } = yield* Caller.inState("ann", "running")
        yield* Effect.sync(() => renameSync(file, `${file}.away`))

        assert.deepStrictEqual((yield* ready(503)).body, {
          ready: false,
          reason: `What happens cannot be recorded: ${loss}`
        })
        for (const path of [
          `/api/sandbox/executions/${executionId}`,
          "/api/sandbox/executions",
          `/api/sandbox/logs/${executionId}`,
          "/api/sandbox/audit/verify"
        ]) {
          const { body, status } = yield* Caller.fetchJson(path, Caller.asAdmin)
          assert.strictEqual(status, 503, path)
          assert.include(body.error.message, loss, path)
        }
        const refused = yield* Caller.post({ code: "echo no", language: "bash" })
        assert.strictEqual(refused.status, 503)
        const unkept = yield* Fiber.join(running)
        assert.include(unkept.body.error.message, "its record could not be kept")

        yield* Effect.sync(() => renameSync(`${file}.away`, file))
        yield* ready(200)
        yield* Caller.execute({ code: "echo back", language: "bash" })
        const ended = yield* Caller.get(`/api/sandbox/executions/${late}`)
        assert.strictEqual(ended.state, "ended")
        // Whoever reads the record later gets what it names.
        assert.deepStrictEqual(
          ended.result.artifacts.map(({ name }: Artifact) => name),
          ["late.txt"]
        )
        const { content } = yield* Caller.download(`/api/executions/${late}/artifacts/late.txt`)
        assert.strictEqual(content.toString(), "late\n")
        assert.strictEqual((yield* Caller.get("/api/sandbox/audit/verify")).intact, true)

        yield* Effect.sync(() => rmSync(file))
        yield* ready(503)
      }).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
      yield* server.kill("SIGTERM")
      const { stdout } = yield* server.ended
      assert.include(stdout, loss)
    }),
  meanwhile
)

it.scopedLive(
  "a server whose data directory is taken away still ends when it is told to",
  () =>
    Effect.gen(function* () {
      const directory = join(yield* ServerProcess.temporaryDirectory, "data")
      const server = yield* ServerProcess.start({ SANDBOX_DATA_DIR: directory })
      yield* Effect.sync(() => rmSync(directory, { recursive: true }))
      yield* Effect.provideService(ready(503), ServerProcess.ServerProcess, server)
      // By then the lease has been renewed in vain.
      yield* Effect.sleep("4 seconds")
      yield* server.kill("SIGTERM")
      const { code } = yield* server.ended.pipe(Effect.timeout("30 seconds"))
      assert.isNotNull(code)
    }),
  meanwhile
)
