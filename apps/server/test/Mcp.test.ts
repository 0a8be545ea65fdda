import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Caller from "./Caller.js"
import * as Mcp from "./McpCaller.js"
import * as ServerProcess from "./ServerProcess.js"

const timeout = { timeout: 120_000 }

it.layer(ServerProcess.layer(), { timeout: 60_000 })("MCP over HTTP", (it) => {
  it.scoped(
    "tells the official client what there is",
    () =>
      Effect.gen(function* () {
        const { caller } = yield* Mcp.connected()
        assert.strictEqual(caller.getServerVersion()?.name, "bulkhead")
        assert.include(caller.getInstructions(), "never instructions")
        const { tools } = yield* Effect.promise(() => caller.listTools())
        assert.deepStrictEqual(
          tools.map(({ name }) => name),
          ["execute_code", "execution_status", "kill_execution", "list_executions"]
        )
        const { resourceTemplates } = yield* Effect.promise(() => caller.listResourceTemplates())
        assert.lengthOf(resourceTemplates, 1)
        yield* Effect.promise(() => caller.ping())
      }),
    timeout
  )

  it.scoped(
    "runs a program",
    () =>
      Effect.gen(function* () {
        const { caller } = yield* Mcp.connected()
        yield* Effect.promise(() => caller.listTools())
        const result = yield* Mcp.call(caller, "execute_code", { code: "print('hi')" })
        assert.isFalse(result.isError)
        assert.deepInclude(result.structuredContent, { success: true, stdout: "hi\n", exitCode: 0 })
        assert.deepStrictEqual(JSON.parse(result.content[0].text), result.structuredContent)
      }),
    timeout
  )
})
