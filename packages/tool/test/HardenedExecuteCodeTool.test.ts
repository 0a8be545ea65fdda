import { hardenedExecuteCodeTool, makeHardenedExecuteCodeTool, sandboxHardening } from "@bulkhead/tool"
import { assert, describe, it } from "@effect/vitest"
import * as MockManager from "./MockManager.js"
import * as Rejection from "./Rejection.js"

describe("hardenedExecuteCodeTool", () => {
  it("is described as registries want it", () => {
    const { description, name, parameters } = hardenedExecuteCodeTool
    assert.strictEqual(name, "execute_code")
    assert.isNotEmpty(description)
    assert.deepInclude(parameters, { type: "object", required: ["code"], additionalProperties: false })
    assert.hasAllKeys(parameters.properties, [
      "code",
      "language",
      "image",
      "timeout",
      "retryOnFailure",
      "files",
      "env",
      "secrets",
      "args",
      "stdin",
      "stdinEncoding",
      "gpu",
      "outputDir",
      "network"
    ])
    assert.deepInclude(parameters.properties.code, { type: "string", minLength: 1 })
    assert.match(
      JSON.stringify(parameters.properties.language),
      /python, javascript, typescript, bash, or a language that the image adds/
    )
    for (const property of Object.values(parameters.properties)) {
      assert.match((property as { description?: string }).description ?? "", /\.$/)
    }
  })

  it("runs for the user that it is called with, whatever the arguments say", async () => {
    const { manager } = MockManager.make()
    const { execute } = makeHardenedExecuteCodeTool(manager)
    const args = { code: "print('Hello, World!')", language: "python", timeout: 60, retryOnFailure: true }
    const result = await execute({ ...args, userId: "mallory" } as typeof args, {}, "ann")
    assert.deepInclude(result, { success: true, stdout: "Hello, World!\n", stderr: "", exitCode: 0 })
    assert.strictEqual(result.metrics.retries, 0)
    await execute({ ...args, userId: "mallory" } as typeof args)
    const { items } = await manager.listExecutions()
    assert.deepStrictEqual(
      items.map(({ userId }) => String(userId)),
      ["anonymous", "ann"]
    )
    await manager.close()
  })

  it("kills the program when the caller aborts", async () => {
    const { begun, program } = MockManager.waiting()
    const { alive, manager } = MockManager.make({}, { program })
    const controller = new AbortController()
    const { execute } = makeHardenedExecuteCodeTool(manager)
    const call = execute({ code: "while True: pass" }, {}, "ann", { signal: controller.signal })
    const aborted = Rejection.of(call)
    await begun
    controller.abort()
    assert.strictEqual((await aborted).name, "AbortError")
    assert.strictEqual(alive(), 0)
    await manager.close()
  })

  it("says what to set where nothing says where sandboxes come from", async () => {
    const { error, success } = await hardenedExecuteCodeTool.execute({ code: "1" }, {}, "ann")
    assert.isFalse(success)
    assert.deepInclude(error, {
      code: "INTERNAL_ERROR",
      message:
        "E2B_API_KEY: expected E2B's key; to run code on this machine instead, set SANDBOX_BACKEND to 'embedded'"
    })
    assert.strictEqual((await sandboxHardening.getSystemMetrics()).activeExecutions, 0)
    await sandboxHardening.close()
  })
})
