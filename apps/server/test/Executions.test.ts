import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Option, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const asAlice = { authorization: "Bearer the-key-of-alice-0123" }
const asBob = { authorization: "Bearer the-key-of-bob-4567" }

const execute = (code: string, headers: Readonly<Record<string, string>>) =>
  Caller.tryFetchJson("/api/execute", {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ code })
  })

const get = (path: string, headers: Readonly<Record<string, string>>) => Caller.fetchJson(path, { headers })

/** Waits until a user's latest execution is in a state. */
const inState = (state: string, headers: Readonly<Record<string, string>>) =>
  get(`/api/executions?state=${state}`, headers).pipe(
    Effect.flatMap(({ body }) => Option.fromNullable(body.executions[0])),
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("15 seconds"),
    Effect.orDie
  )

layer(
  ServerProcess.layer({
    SANDBOX_API_KEYS: "alice:the-key-of-alice-0123,bob:the-key-of-bob-4567",
    SANDBOX_MAX_CONCURRENT_SANDBOXES: "1"
  }),
  { excludeTestServices: true, timeout: "60 seconds" }
)("executions of one's own", (it) => {
  it.effect("are seen and ended by their user alone, and the log says who asked", () =>
    Effect.gen(function* () {
      const running = yield* Effect.fork(execute("import time; print('begun'); time.sleep(600)", asAlice))
      const { executionId } = yield* inState("running", asAlice)
      const second = yield* Effect.fork(execute("print(2)", asBob))
      const waiting = yield* inState("queued", asBob)
      assert.strictEqual(waiting.ahead, 0)
      assert.deepStrictEqual((yield* get(`/api/executions/${waiting.executionId}`, asBob)).body, waiting)

      const kill = (headers: Readonly<Record<string, string>>) =>
        Caller.fetchJson(`/api/executions/${executionId}/kill`, { method: "POST", headers })
      assert.strictEqual((yield* kill(asBob)).status, 404)
      assert.strictEqual((yield* get(`/api/executions/${executionId}`, asBob)).status, 404)
      assert.notInclude(JSON.stringify((yield* get("/api/executions", asBob)).body), executionId)
      assert.deepStrictEqual(yield* kill(asAlice), { status: 200, body: { success: true } })
      const { body: result } = yield* Fiber.join(running)
      assert.deepInclude(result, { verdict: "Killed", stdout: "begun\n" })
      assert.strictEqual((yield* kill(asAlice)).status, 409)
      assert.strictEqual((yield* Fiber.join(second)).body.stdout, "2\n")

      const { body: kept } = yield* get(`/api/executions/${executionId}`, asAlice)
      assert.deepInclude(kept, { userId: "alice", state: "ended", verdict: "Killed", result })
      assert.notProperty(kept, "ahead")
      const last = (yield* Caller.logs(executionId)).at(-1)
      assert.deepStrictEqual(
        [last?.event, last?.userId, last?.message],
        ["execution_killed", "alice", "Execution killed: user_request"]
      )
    })
  )

  it.scoped("give all their files as one zip", () =>
    Effect.gen(function* () {
      const write = (name: string, text: string) =>
        `os.makedirs(os.path.dirname(out + '/${name}'), exist_ok=True); open(out + '/${name}', 'w').write(${text})`
      const { body } = yield* execute(
        [
          "import os; out = os.environ['SANDBOX_OUTPUT_DIR']",
          write("a.txt", "'a' * 5_000_000"),
          write("plots/ü: 1.csv", "'x,y'")
        ].join("\n"),
        asAlice
      )
      assert.lengthOf(body.artifacts, 2)
      const of = `/api/executions/${body.executionId}/artifacts`
      const { body: listed } = yield* get(of, asAlice)
      assert.sameMembers(
        listed.artifacts.map(({ url }: { readonly url: string }) => url),
        [`${of}/a.txt`, `${of}/plots%2F%C3%BC%3A%201.csv`]
      )
      assert.strictEqual((yield* get(`${of}.zip`, asBob)).status, 404)
      const { content, status } = yield* Caller.download(`${of}.zip`)
      assert.strictEqual(status, 200)
      const path = join(yield* ServerProcess.temporaryDirectory, "files.zip")
      writeFileSync(path, content)
      const said = execFileSync("python3", [
        "-c",
        "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), sorted((i.filename, i.file_size) for i in z.infolist()))",
        path
      ])
      assert.strictEqual(String(said), "None [('a.txt', 5000000), ('plots/ü_ 1.csv', 3)]\n")
    })
  )
})
