import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import type { ExecutionResult, UserMetrics } from "@bulkhead/domain"
import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as HostProcesses from "./HostProcesses.js"
import * as ServerProcess from "./ServerProcess.js"

/** Runs a shell command and gives what it prints. */
const shell = (command: string) =>
  Effect.async<string>((resume) => {
    execFile("bash", ["-c", command], { maxBuffer: 2 ** 26 }, (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
    )
  })

/** A command of the specification, pointed at the server. */
const shellAt = (command: string) =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    shell(command.replaceAll("https://your-worker.workers.dev", url).replaceAll("curl", "curl -s"))
  )

const post = (body: string) =>
  Caller.fetchJson("/api/execute", { method: "POST", headers: { "content-type": "application/json" }, body })

const run = (body: object): Effect.Effect<ExecutionResult, never, ServerProcess.ServerProcess> =>
  Effect.map(post(JSON.stringify(body)), ({ body }) => body)

/** Leaves a process behind, and ends only when it is killed. */
const daemon = "import subprocess, time; subprocess.Popen(['setsid', 'sleep', '600']); time.sleep(600)"

const userMetrics = (userId: string): Effect.Effect<UserMetrics, never, ServerProcess.ServerProcess> =>
  Caller.get(`/api/sandbox/metrics/${userId}`)

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: 60_000 })(
  "the specification's examples",
  (it) => {
    it.effect("basic execution", () =>
      Effect.gen(function* () {
        const result = JSON.parse(
          yield* shellAt(`curl -X POST https://your-worker.workers.dev/api/execute \\
          -H "Content-Type: application/json" \\
          -d '{
            "code": "print(\\"Hello\\")",
            "language": "python",
            "userId": "test-user"
          }'`)
        )
        assert.isTrue(result.success, JSON.stringify(result))
        assert.strictEqual(result.stdout, "Hello\n")
        assert.strictEqual(result.stderr, "")
        assert.strictEqual(result.exitCode, 0)
        assert.isAtLeast(result.metrics.executionTimeMs, 1)
        assert.strictEqual(result.metrics.retries, 0)
      })
    )

    it.effect(
      "ten at once for one user: five run, five wait, all succeed",
      () =>
        Effect.gen(function* () {
          const all = yield* Effect.fork(
            shellAt(`for i in {1..10}; do
          curl -X POST https://your-worker.workers.dev/api/execute \\
            -H "Content-Type: application/json" \\
            -d "{\\"code\\":\\"import time; time.sleep(1)\\",\\"userId\\":\\"crowd\\"}" &
          echo
        done; wait`)
          )
          const seen: Array<number> = []
          yield* userMetrics("crowd").pipe(
            Effect.tap(({ activeExecutions }) => Effect.sync(() => seen.push(activeExecutions))),
            Effect.repeat(Schedule.spaced("20 millis")),
            Effect.raceFirst(Fiber.await(all))
          )
          assert.strictEqual(Math.max(...seen), 5)
          const results = (yield* Fiber.join(all))
            .replaceAll("}{", "}\n{")
            .split("\n")
            .filter((line) => line !== "")
          assert.strictEqual(results.length, 10)
          for (const result of results) assert.isTrue(JSON.parse(result).success, result)
          assert.deepInclude(yield* userMetrics("crowd"), { activeExecutions: 0, queuedExecutions: 0 })
        }),
      { concurrent: true }
    )

    it.effect(
      "a timeout of five seconds",
      () =>
        Effect.gen(function* () {
          const result: ExecutionResult = JSON.parse(
            yield* shellAt(`curl -X POST https://your-worker.workers.dev/api/execute \\
          -H "Content-Type: application/json" \\
          -d '{
            "code": "import time; time.sleep(1000)",
            "timeout": 5,
            "userId": "test-user"
          }'`)
          )
          assert.isFalse(result.success)
          assert.strictEqual(result.verdict, "TimeLimitExceeded")
          assert.strictEqual(result.error?.code, "EXECUTION_TIMEOUT")
          assert.include(result.error?.message, "Execution timeout")
          assert.closeTo(result.metrics.executionTimeMs ?? 0, 5000, 1000)
          assert.strictEqual(result.receipt?.survivors, 0)
          assert.isTrue(result.receipt?.sandboxDestroyed)
        }),
      { concurrent: true }
    )
  }
)

const e2bKey = "e2b_the-key-of-the-test"
const hostSecret = "a-secret-of-the-host"

const withSecrets = { E2B_API_KEY: e2bKey, HOST_SECRET: hostSecret, SANDBOX_KILL_GRACE_PERIOD: "1" }

layer(ServerProcess.layer(withSecrets), {
  excludeTestServices: true,
  timeout: 60_000
})("hostile code and requests", (it) => {
  it.effect("finds no secret in any environment it can read", () =>
    Effect.gen(function* () {
      const { stdout, success } = yield* run({
        code: `
import glob, os
print(dict(os.environ))
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/task/*/environ"):
    try:
        print(path, open(path, "rb").read())
    except OSError as error:
        print(path, error)
`
      })
      assert.isTrue(success)
      assert.include(stdout, "/proc/")
      for (const secret of [ServerProcess.adminToken, e2bKey, hostSecret, "ADMIN_API_TOKEN", "E2B_API_KEY"]) {
        assert.notInclude(stdout, secret)
      }
    })
  )

  it.effect("is told where and who it is, not where and who its supervisor was", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run({
        code: "import os; print(os.getcwd(), *(os.environ[name] for name in ('HOME', 'PWD', 'USER', 'LOGNAME')))"
      })
      assert.strictEqual(stdout, "/home/user /home/user /home/user user user\n")
    })
  )

  const malformed: Readonly<Record<string, string>> = {
    "bad JSON": "{",
    "no body": "",
    null: "null",
    "an array": "[]",
    "a number": "7",
    "no code": "{}",
    "empty code": '{"code": ""}',
    "code of another type": '{"code": 1}',
    "a language of another type": '{"code": "x", "language": 1}',
    "an unknown language": '{"code": "x", "language": "cobol"}',
    "an inherited language": '{"code": "x", "language": "__proto__"}',
    "a negative timeout": '{"code": "x", "timeout": -1}',
    "a timeout of zero": '{"code": "x", "timeout": 0}',
    "a huge timeout": '{"code": "x", "timeout": 1e308}',
    "an infinite timeout": '{"code": "x", "timeout": 1e999}',
    "a timeout over the limit": '{"code": "x", "timeout": 901}',
    "a timeout as text": '{"code": "x", "timeout": "5"}',
    "an empty user id": '{"code": "x", "userId": ""}',
    "a hostile user id": '{"code": "x", "userId": "../../etc/passwd"}',
    "a user id with a newline": '{"code": "x", "userId": "a\\nb"}',
    "a very long user id": JSON.stringify({ code: "x", userId: "a".repeat(129) }),
    "a user id of another type": '{"code": "x", "userId": {"a": 1}}',
    "a hostile path": '{"code": "x", "files": [{"path": "../x", "content": ""}]}',
    "a hostile variable": '{"code": "x", "env": {"A=B": "c"}}',
    "an unknown field": '{"code": "x", "root": true}'
  }
  for (const [name, body] of Object.entries(malformed)) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function* () {
        const answer = yield* post(body)
        assert.strictEqual(answer.status, 400, JSON.stringify(answer.body))
        assert.isFalse(answer.body.success)
        assert.strictEqual(answer.body.verdict, "Rejected")
        assert.strictEqual(answer.body.error.code, "INVALID_REQUEST")
        assert.strictEqual(answer.body.error.category, "request")
        assert.isFalse(answer.body.error.retryable)
        assert.notInclude(answer.body.error.message, "\n")
      })
    )
  }

  it.effect("says which languages there are", () =>
    Effect.gen(function* () {
      const { body } = yield* post('{"code": "x", "language": "cobol"}')
      assert.match(body.error.message, /^language: expected one of python,.*bash.*$/)
    })
  )

  it.effect("leave no process when their caller hangs up", () =>
    Effect.gen(function* () {
      const mark = randomUUID()
      const caller = yield* Effect.fork(run({ code: daemon, env: { MARK: mark } }))
      yield* HostProcesses.awaitMarked(mark, (count) => count >= 2)
      yield* Fiber.interrupt(caller)
      yield* HostProcesses.awaitMarked(mark, (count) => count === 0)
    })
  )

  it.effect("refuses 30 MB of code, and 2 MB of it", () =>
    Effect.gen(function* () {
      for (const size of [30_000_000, 2_000_000]) {
        const answer = yield* post(JSON.stringify({ code: "#".repeat(size) }))
        assert.strictEqual(answer.status, 413)
        assert.isFalse(answer.body.success)
        assert.strictEqual(answer.body.error.code, "INVALID_REQUEST")
      }
    })
  )
})

describe("the end of the server", () => {
  // They mostly wait for programs that have their grace.
  const meanwhile = { concurrent: true, timeout: 90_000 }

  it.scopedLive.each(["SIGTERM", "SIGHUP"] as const)(
    "%s lets what runs finish, and leaves no process",
    (asked) =>
      Effect.gen(function* () {
        const server = yield* ServerProcess.start({ SANDBOX_KILL_GRACE_PERIOD: "3" })
        const here = Effect.provideService(ServerProcess.ServerProcess, server)
        const mark = randomUUID()
        const long = yield* Effect.fork(here(run({ code: daemon, env: { MARK: mark } })))
        const short = yield* Effect.fork(
          here(run({ code: "import time; time.sleep(1.5); print('done')", env: { MARK: mark } }))
        )
        yield* HostProcesses.awaitMarked(mark, (count) => count >= 3)
        yield* server.kill(asked)
        const refused = yield* here(post('{"code": "1"}')).pipe(
          Effect.delay("20 millis"),
          Effect.repeat({ until: ({ status }) => status !== 200 })
        )
        assert.strictEqual(refused.status, 503)
        assert.strictEqual(refused.body.verdict, "Rejected")
        assert.strictEqual((yield* Fiber.join(short)).stdout, "done\n")
        assert.strictEqual((yield* Fiber.join(long)).verdict, "Killed")
        const { code, signal } = yield* server.ended
        assert.deepStrictEqual({ code, signal }, { code: 0, signal: null })
        assert.deepStrictEqual(yield* HostProcesses.marked(mark), [])
      }),
    meanwhile
  )

  it.scopedLive(
    "SIGKILL leaves no process",
    () =>
      Effect.gen(function* () {
        const server = yield* ServerProcess.start()
        const mark = randomUUID()
        yield* run({ code: daemon, env: { MARK: mark } }).pipe(
          Effect.provideService(ServerProcess.ServerProcess, server),
          Effect.catchAllCause(() => Effect.void),
          Effect.fork
        )
        yield* HostProcesses.awaitMarked(mark, (count) => count >= 2)
        yield* server.kill("SIGKILL")
        assert.strictEqual((yield* server.ended).signal, "SIGKILL")
        yield* HostProcesses.awaitMarked(mark, (count) => count === 0)
      }),
    meanwhile
  )

  it.scopedLive(
    "a second signal ends it at once",
    () =>
      Effect.gen(function* () {
        const busy = yield* ServerProcess.start({ SANDBOX_KILL_GRACE_PERIOD: "600" })
        const mark = randomUUID()
        yield* run({ code: daemon, env: { MARK: mark } }).pipe(
          Effect.provideService(ServerProcess.ServerProcess, busy),
          Effect.catchAllCause(() => Effect.void),
          Effect.fork
        )
        yield* HostProcesses.awaitMarked(mark, (count) => count >= 2)
        yield* busy.kill("SIGTERM")
        // Signals within one second of the first count as the same one.
        yield* Effect.sleep("1500 millis")
        yield* busy.kill("SIGTERM")
        assert.strictEqual((yield* busy.ended).code, 143)
        yield* HostProcesses.awaitMarked(mark, (count) => count === 0)
      }),
    meanwhile
  )

  it.scopedLive("neither idle nor stuck connections hold it up", () =>
    Effect.gen(function* () {
      const server = yield* ServerProcess.start()
      yield* Effect.provideService(Caller.fetchJson("/health"), ServerProcess.ServerProcess, server)
      const stuck = yield* Effect.acquireRelease(
        Effect.async<Socket>((resume) => {
          const socket = connect(Number(new URL(server.url).port), "127.0.0.1", () =>
            resume(Effect.succeed(socket))
          )
          socket.on("error", () => undefined)
        }),
        (socket) => Effect.sync(() => socket.destroy())
      )
      stuck.write(
        "POST /api/execute HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
      )
      yield* Effect.sleep("100 millis")
      yield* server.kill("SIGINT")
      const [took, { code }] = yield* Effect.timed(server.ended)
      assert.strictEqual(code, 0)
      assert.isBelow(Duration.toMillis(took), 6000)
    })
  )
})

/** Where something else listens. */
const usedPort = Effect.acquireRelease(
  Effect.async<Server>((resume) => {
    const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(Effect.map((server) => String((server.address() as AddressInfo).port)))

// What else keeps it from starting is said in the same way: settings/Settings.test.ts, Listener.test.ts.
describe("a server that cannot start", () => {
  const saysSo = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>>, line: RegExp) {
    const { code, stderr, stdout } = yield* ServerProcess.refused(settings)
    assert.match(stderr, line)
    assert.match(stderr, /^[^\n]+\n$/)
    assert.strictEqual(stdout, "")
    assert.strictEqual(code, 1)
  })

  it.live("says so in one line: a setting", () =>
    saysSo({ SANDBOX_MAX_MEMORY_MB: "lots" }, /^bulkhead: SANDBOX_MAX_MEMORY_MB: expected a whole number/)
  )

  it.live("says so in one line: an image that is not there", () =>
    saysSo(
      { SANDBOX_IMAGES: "a=/nowhere" },
      /^bulkhead: SANDBOX_IMAGES: The image 'a' at \/nowhere cannot be used/
    )
  )

  it.scopedLive("says so in one line: a port in use", () =>
    Effect.flatMap(usedPort, (PORT) =>
      saysSo({ PORT }, /^bulkhead: PORT: \d+ on 127\.0\.0\.1 is in use[^\n]+\n$/)
    )
  )
})
