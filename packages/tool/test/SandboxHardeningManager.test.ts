import { MockSandboxProvider } from "@bulkhead/testing"
import { SandboxHardeningError, SandboxHardeningManager } from "@bulkhead/tool"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Ref } from "effect"
import * as MockManager from "./MockManager.js"
import * as Rejection from "./Rejection.js"

const request = { code: "print('Hello, World!')" }

/** Fails once, when it is run for the `turn`th time. */
const failingAt = <E>(turn: number, failure: E) => {
  const runs = Effect.runSync(Ref.make(0))
  return Effect.flatMap(
    Ref.updateAndGet(runs, (count) => count + 1),
    (count) => (count === turn ? Effect.fail(failure) : Effect.void)
  )
}

describe("execute", () => {
  it("gives the specification's result", async () => {
    const { alive, manager } = MockManager.make()
    const result = await manager.execute({ ...request, timeout: 60, retryOnFailure: true }, { userId: "ann" })
    assert.deepInclude(result, { success: true, stdout: "Hello, World!\n", stderr: "", exitCode: 0 })
    assert.isNumber(result.metrics.executionTimeMs)
    assert.strictEqual(result.metrics.retries, 0)
    assert.notProperty(result, "error")
    assert.strictEqual(alive(), 0)
    await manager.close()
  })

  it("belongs to the caller whom the options name, else to the request's", async () => {
    const { manager } = MockManager.make()
    await manager.execute({ ...request, userId: "bob" }, { userId: "ann" })
    await manager.execute({ ...request, userId: "bob" })
    const { items } = await manager.listExecutions()
    assert.deepStrictEqual(
      items.map(({ userId }) => String(userId)),
      ["bob", "ann"]
    )
    assert.lengthOf((await manager.listExecutions({ userId: "ann" })).items, 1)
    await manager.close()
  })

  it("gives what is refused as a result that says why", async () => {
    const { created, manager } = MockManager.make({ maxTimeout: 900 })
    const refused = async (request: unknown, options = {}) => {
      const result = await manager.execute(request as never, options)
      assert.deepInclude(result, { success: false, verdict: "Rejected", stdout: "" })
      assert.deepInclude(result.error, { code: "INVALID_REQUEST", category: "request", retryable: false })
      return result.error?.message
    }
    assert.match(String(await refused({ code: "" })), /^code: expected a program/)
    assert.match(String(await refused({ ...request, timeout: 1000 })), /^timeout: expected at most 900 s/)
    assert.match(
      String(await refused({ ...request, language: "cobol" })),
      /^language: expected one of python/
    )
    assert.match(String(await refused(undefined)), /^request: /)
    assert.match(String(await refused(request, { userId: "no spaces" })), /^userId: expected 1 to 128/)
    assert.isAtMost(created(), 1)
    await manager.close()
  })

  it("retries what the infrastructure failed, and counts it", async () => {
    // The first sandbox is for a look at the toolchain.
    const create = failingAt(2, MockSandboxProvider.failure("RATE_LIMIT", "create"))
    const { manager } = MockManager.make({ retryBackoffMs: 1 }, { create })
    const { metrics, success } = await manager.execute(request)
    assert.isTrue(success)
    assert.strictEqual(metrics.retries, 1)
    await manager.close()
  })

  it("gives a fault of the service as a result without a stack trace", async () => {
    const { manager } = MockManager.make({}, { create: Effect.die(new Error("a secret of ours")) })
    const result = await manager.execute(request)
    assert.deepInclude(result, { success: false, verdict: "InternalError" })
    assert.deepInclude(result.error, { code: "INTERNAL_ERROR", category: "internal" })
    assert.notInclude(JSON.stringify(result), "secret")
    await manager.close()
  })

  it("kills the program when its signal aborts, and is rejected once the sandbox is gone", async () => {
    const { begun, program } = MockManager.waiting()
    const { alive, created, manager } = MockManager.make({}, { program })
    const controller = new AbortController()
    const aborted = Rejection.of(manager.execute(request, { userId: "ann", signal: controller.signal }))
    await begun
    assert.strictEqual((await manager.getUserMetrics("ann")).activeExecutions, 1)
    controller.abort()
    assert.deepInclude(await aborted, { name: "AbortError", code: "EXECUTION_KILLED", category: "cancelled" })
    assert.isAbove(created(), 0)
    assert.strictEqual(alive(), 0)
    assert.strictEqual((await manager.getUserMetrics("ann")).activeExecutions, 0)
    const { items } = await manager.listExecutions({ userId: "ann" })
    const { result } = await manager.getExecution(items[0]?.executionId ?? "")
    assert.deepInclude(result, { verdict: "Killed", stdout: "begun\n" })
    await manager.close()
  })

  it("begins nothing when its signal has aborted before", async () => {
    const { created, manager } = MockManager.make()
    const aborted = await Rejection.of(manager.execute(request, { signal: AbortSignal.abort() }))
    assert.strictEqual(aborted.name, "AbortError")
    assert.strictEqual(created(), 0)
    await manager.close()
  })

  it("sets up sandboxes of one's own once, for all who come first at the same time", async () => {
    const built = Effect.runSync(Ref.make(0))
    const count = Ref.update(built, (builds) => builds + 1)
    const provider = Layer.unwrapEffect(
      Effect.as(Effect.delay(count, "20 millis"), MockSandboxProvider.layer())
    )
    const manager = new SandboxHardeningManager({}, { provider })
    await Promise.all(["ann", "bob", "cy"].map((userId) => manager.execute(request, { userId })))
    assert.strictEqual(Effect.runSync(Ref.get(built)), 1)
    await manager.close()
  })

  it("says why sandboxes of one's own cannot be had, and tries again when asked again", async () => {
    const unplugged = failingAt(1, new Error("the rack is not plugged in"))
    const provider = Layer.unwrapEffect(Effect.as(unplugged, MockSandboxProvider.layer()))
    const manager = new SandboxHardeningManager({}, { provider })
    const [first, second] = [await manager.execute(request), await manager.execute(request)]
    assert.deepInclude(first.error, { code: "INTERNAL_ERROR", message: "the rack is not plugged in" })
    assert.notInclude(String(second.error?.message), "plugged")
    await manager.close()
  })
})

describe("killExecution", () => {
  it("ends a running execution, and its output is in the result", async () => {
    const { begun, program } = MockManager.waiting()
    const { manager } = MockManager.make({}, { program })
    const executed = manager.execute(request, { userId: "ann" })
    await begun
    const { items } = await manager.listExecutions({ userId: "ann", state: "running" })
    const executionId = items[0]?.executionId ?? ""
    await manager.killExecution(executionId, "user_request")
    const result = await executed
    assert.deepInclude(result, { success: false, verdict: "Killed", stdout: "begun\n" })
    assert.strictEqual(String(result.executionId), executionId)
    assert.include(result.error?.message, "user_request")
    assert.strictEqual((await Rejection.of(manager.killExecution(executionId))).name, "ExecutionEnded")
    await manager.close()
  })
})

describe("work that runs elsewhere", () => {
  it("counts from its start to its end, and its log tells of both", async () => {
    const { created, manager } = MockManager.make()
    const execution = await manager.startExecution("exec_123", "ann", 300)
    assert.deepInclude({ ...execution }, {
      executionId: "exec_123",
      userId: "ann",
      state: "tracked"
    } as object)
    assert.deepInclude(await manager.getSystemMetrics(), {
      activeExecutions: 1,
      totalUsers: 1,
      utilizationPercent: 2
    })
    assert.deepInclude(await manager.getUserMetrics("ann"), { activeExecutions: 1, utilizationPercent: 20 })
    await manager.endExecution("exec_123", { executionTimeMs: 5000, cpuUsagePercent: 45, artifactsCount: 3 })
    assert.deepInclude(await manager.getUserMetrics("ann"), { activeExecutions: 0, utilizationPercent: 0 })
    const logs = await manager.getLogs("exec_123")
    const lines = logs.map(({ event, level, message }) => `[${level}] ${event}: ${message}`)
    assert.include(lines, "[info] execution_started: Execution started with 300s timeout")
    assert.strictEqual(lines.at(-1), "[info] execution_completed: Execution completed")
    assert.deepInclude(logs.at(-1)?.data, { cpuUsagePercent: 45 })
    assert.isNumber(logs[0]?.timestamp)
    assert.strictEqual(created(), 0)
    await manager.close()
  })

  it("needs a free place, and canStartExecution says whether there is one", async () => {
    const { manager } = MockManager.make({ maxSandboxesPerUser: 1, maxConcurrentSandboxes: 2 })
    assert.deepStrictEqual(await manager.canStartExecution("ann"), { allowed: true })
    await manager.startExecution("exec_1", "ann")
    const another = await manager.canStartExecution("ann")
    assert.isFalse(another.allowed)
    assert.match(String(another.reason), /^User limit reached/)
    await manager.startExecution("exec_2", "bob")
    assert.match(String((await manager.canStartExecution("cy")).reason), /^System at capacity/)
    const refused = await Rejection.of(manager.startExecution("exec_3", "cy"))
    assert.deepInclude(refused, { name: "SystemAtCapacity", code: "SYSTEM_AT_CAPACITY", retryable: true })
    await manager.close()
  })

  it("needs neither a key nor a host", async () => {
    const manager = new SandboxHardeningManager({}, { env: {} })
    await manager.startExecution("exec_1", "ann")
    await manager.endExecution("exec_1")
    assert.strictEqual((await manager.getExecution("exec_1")).verdict, "Completed")
    await manager.close()
  })
})

describe("rejections", () => {
  it("have a name, a code, a category and words", async () => {
    const { manager } = MockManager.make()
    await manager.startExecution("exec_1", "ann")
    const exists = await Rejection.of(manager.startExecution("exec_1", "ann"))
    assert.deepInclude(exists, {
      name: "ExecutionExists",
      code: "CONFLICT",
      category: "request",
      retryable: false,
      message: "An execution already has the id 'exec_1'"
    })
    const unknown = [
      manager.getLogs("exec_never"),
      manager.getLogs("../../etc"),
      manager.getExecution("exec_never"),
      manager.killExecution("exec_never"),
      manager.endExecution(undefined as never)
    ]
    for (const promise of unknown) {
      assert.strictEqual((await Rejection.of(promise)).name, "ExecutionNotFound")
    }
    const invalid = [
      [manager.startExecution("exec 2", "ann"), "executionId"],
      [manager.startExecution("exec_2", ""), "userId"],
      [manager.startExecution("exec_2", "ann", Number.NaN), "timeout"],
      [manager.canStartExecution(undefined as never), "userId"],
      [manager.getUserMetrics("a b"), "userId"]
    ] as const
    for (const [promise, field] of invalid) {
      const error = await Rejection.of(promise)
      assert.strictEqual(error.name, "InvalidRequest")
      assert.match(error.message, new RegExp(`^${field}: `))
    }
    await manager.close()
  })
})

describe("limits", () => {
  const thrown = (limits: object) => {
    try {
      return new SandboxHardeningManager(limits)
    } catch (error) {
      return error
    }
  }

  it("that are out of range or unknown are refused when the manager is made", () => {
    const tooSmall = thrown({ maxTimeout: 0 })
    assert.instanceOf(tooSmall, SandboxHardeningError)
    assert.deepInclude(tooSmall, { name: "SetUpFailure" })
    assert.match(String(tooSmall), /maxTimeout: expected a positive number of seconds/)
    assert.match(String(thrown({ maxTimout: 60 })), /maxTimout: is unexpected/)
    assert.instanceOf(thrown({ maxTimeout: undefined }), SandboxHardeningManager)
  })

  it("that are given count more than the environment's, which count more than the specification's", async () => {
    const env = { SANDBOX_MAX_TIMEOUT: "400", SANDBOX_MAX_CODE_BYTES: "5" }
    const { manager } = MockManager.make({ maxTimeout: 500 }, {}, { env })
    const messageOf = async (request: { code: string; timeout?: number }) =>
      (await manager.execute(request)).error?.message
    assert.strictEqual(
      await messageOf({ code: "1", timeout: 501 }),
      "timeout: expected at most 500 seconds, got 501"
    )
    assert.isUndefined(await messageOf({ code: "1", timeout: 450 }))
    assert.match(String(await messageOf({ code: "123456" })), /^code: expected at most 5 bytes/)
    await manager.close()
  })
})

describe("close", () => {
  it("ends what runs and leaves no sandbox", async () => {
    const { begun, program } = MockManager.waiting()
    const { alive, manager } = MockManager.make({ killGracePeriod: 0.05 }, { program })
    const executed = manager.execute(request)
    await begun
    await Promise.all([manager.close(), manager.close()])
    assert.deepInclude(await executed, { success: false, verdict: "Killed" })
    assert.strictEqual(alive(), 0)
  })

  it("is for good", async () => {
    const { manager } = MockManager.make()
    await manager[Symbol.asyncDispose]()
    const { error, success } = await manager.execute(request)
    assert.isFalse(success)
    assert.deepInclude(error, { message: "The sandbox hardening manager has been closed" })
    assert.strictEqual((await Rejection.of(manager.getSystemMetrics())).name, "ManagerClosed")
    await manager.close()
  })
})
