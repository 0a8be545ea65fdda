import { existsSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { Cause, Effect, Exit, Fiber, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as Mcp from "./McpCaller.js"
import * as ServerProcess from "./ServerProcess.js"

const timeout = { timeout: 60_000 }

const bundle = fileURLToPath(new URL("../dist/bulkhead.js", import.meta.url))

/** The official client, with a process that it has started; gone with the scope. */
const started = (settings: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [bundle, "mcp"],
        env: {
          PATH: process.env.PATH ?? "",
          SANDBOX_BACKEND: "embedded",
          SANDBOX_POOL_MAX: "0",
          ...settings
        },
        stderr: "ignore"
      })
      const caller = Mcp.client()
      await caller.connect(transport)
      return { caller, transport }
    }),
    ({ caller }) => Effect.promise(() => caller.close())
  )

const endless = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)"

const isAlive = (pid: number) => existsSync(`/proc/${pid}`)

const ownDirectories = Effect.sync(() =>
  readdirSync(tmpdir()).filter((name) => name.startsWith("bulkhead-own-"))
)

describe("MCP over stdio", () => {
  it.scopedLive(
    "runs programs in its own process, tells progress, cancels, and is gone with its client",
    () =>
      Effect.gen(function* () {
        yield* ServerProcess.bundled
        const before = yield* ownDirectories
        const { caller, transport } = yield* started({})
        yield* Effect.promise(() => caller.listTools())
        const ran = yield* Mcp.call(caller, "execute_code", { code: "print('hi')" })
        assert.deepInclude(ran.structuredContent, { success: true, stdout: "hi\n" })
        const { messages, onprogress } = yield* Mcp.progress
        const running = yield* Effect.fork(Mcp.call(caller, "execute_code", { code: endless }, onprogress))
        yield* Mcp.until(messages, "begun")
        const listed = yield* Mcp.call(caller, "list_executions", { state: "running" })
        const [{ executionId }] = listed.structuredContent.executions
        yield* Fiber.interrupt(running)
        const status = Mcp.call(caller, "execution_status", { executionId })
        yield* Effect.repeat(status, {
          until: ({ structuredContent }) => structuredContent.state === "ended",
          schedule: Schedule.spaced("50 millis")
        })
        assert.strictEqual((yield* status).structuredContent.verdict, "Killed")
        const pid = transport.pid ?? 0
        yield* Effect.forkScoped(Effect.exit(Mcp.call(caller, "execute_code", { code: endless }, onprogress)))
        yield* Mcp.until(messages, "begun")
        yield* Effect.promise(() => caller.close())
        assert.isFalse(isAlive(pid))
        assert.deepStrictEqual(yield* ownDirectories, before)
      }),
    timeout
  )

  it.scopedLive(
    "speaks to a running server with a caller's key, and ends what it runs there with its client",
    () =>
      Effect.gen(function* () {
        const key = "the-key-of-alice-in-this-test"
        const server = yield* ServerProcess.start({ SANDBOX_API_KEYS: `alice:${key}` })
        const settings = { SANDBOX_MCP_URL: server.url, SANDBOX_MCP_KEY: key }
        yield* Effect.gen(function* () {
          const { caller } = yield* started(settings)
          yield* Effect.promise(() => caller.listTools())
          const ran = yield* Mcp.call(caller, "execute_code", { code: "print('hi')" })
          const record = yield* Caller.get(`/api/sandbox/executions/${ran.structuredContent.executionId}`)
          assert.strictEqual(record.userId, "alice")
          assert.notProperty(record, "traceId", "neither of the two records one")
          const { messages, onprogress } = yield* Mcp.progress
          const running = yield* Effect.fork(Mcp.call(caller, "execute_code", { code: endless }, onprogress))
          assert.match(yield* Mcp.until(messages, "begun"), /^stdout: begun/)
          const first = yield* Caller.inState("alice", "running")
          yield* Fiber.interrupt(running)
          yield* Caller.inState("alice", "ended")
          yield* Effect.forkScoped(
            Effect.exit(Mcp.call(caller, "execute_code", { code: endless }, onprogress))
          )
          yield* Mcp.until(messages, "begun")
          const second = yield* Caller.inState("alice", "running")
          assert.notStrictEqual(second.executionId, first.executionId)
          yield* Effect.promise(() => caller.close())
          yield* Effect.repeat(Caller.get(`/api/sandbox/executions/${second.executionId}`), {
            until: ({ verdict }) => verdict === "Killed",
            schedule: Schedule.spaced("50 millis")
          }).pipe(Effect.timeout("20 seconds"))
        }).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
      }),
    timeout
  )

  it.scopedLive(
    "goes on with a running server that has started again, and knows no session of before",
    () =>
      Effect.gen(function* () {
        const first = yield* ServerProcess.start()
        const { caller } = yield* started({ SANDBOX_MCP_URL: `${first.url}/mcp` })
        yield* first.kill("SIGKILL")
        yield* first.ended
        yield* ServerProcess.start({ PORT: new URL(first.url).port })
        const both = yield* Effect.all(
          [1, 2].map((number) => Mcp.call(caller, "execute_code", { code: `print(${number})` })),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          both.map(({ structuredContent }) => structuredContent.stdout),
          ["1\n", "2\n"]
        )
      }),
    timeout
  )

  it.scopedLive(
    "says what is wrong when the key is, or the server is not there",
    () =>
      Effect.gen(function* () {
        const server = yield* ServerProcess.start({ SANDBOX_API_KEYS: "alice:the-key-of-alice-in-this-test" })
        const refusal = (settings: Readonly<Record<string, string>>) =>
          Effect.map(Effect.exit(Effect.scoped(started(settings))), (exit) =>
            Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "no failure"
          )
        const [key, ...others] = yield* Effect.forEach(
          [
            { SANDBOX_MCP_URL: server.url, SANDBOX_MCP_KEY: "wrong" },
            { SANDBOX_MCP_URL: "http://127.0.0.1:9" },
            { SANDBOX_MCP_URL: `${server.url}/api` }
          ],
          refusal,
          { concurrency: 2 }
        )
        assert.include(key, "a caller's key")
        for (const said of others) assert.include(said, "cannot be reached or does not speak MCP")
      }),
    timeout
  )
})
