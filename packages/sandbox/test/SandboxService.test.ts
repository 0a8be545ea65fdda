import { ExecutionId, UserId } from "@bulkhead/domain"
import { ExecutionStore, GuestProgram, MemoryExecutionStore, SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Scope, TestClock, Tracer } from "effect"
import { begin, joinAll, sentAsRoot, service, settle } from "./Fixture.js"

const { failingFirst, failure, hello, MockSandboxes, sleeper, stubborn } = MockSandboxProvider
const ann = UserId.make("ann")

const eventsOf = Effect.fnUntraced(function* (executionId: ExecutionId) {
  const sandboxes = yield* SandboxService
  return (yield* sandboxes.getLogs(executionId)).map(({ event }) => event)
})

/** The newest execution that the service knows. */
const latest = Effect.gen(function* () {
  const sandboxes = yield* SandboxService
  const [execution] = (yield* sandboxes.listExecutions()).items
  assert(execution)
  return execution
})

const alive = Effect.flatMap(MockSandboxes, (mock) => mock.alive)

describe("a program that ends by itself", () => {
  it.effect("gives its output, and its sandbox is destroyed", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const result = yield* sandboxes.execute({ code: "print('Hello, World!')", userId: "ann" })
      assert.include(result, { success: true, verdict: "Completed", stdout: "Hello, World!\n", exitCode: 0 })
      assert.deepInclude(result.receipt, { survivors: "unknown", sandboxDestroyed: true, signals: [] })
      assert.isUndefined(result.error)
      assert.strictEqual(yield* alive, 0)
      assert.deepStrictEqual(yield* eventsOf(result.executionId), [
        "execution_started",
        "sandbox_created",
        "program_started",
        "sandbox_destroyed",
        "execution_completed"
      ])
    }).pipe(Effect.provide(service()))
  )

  it.effect("with a non-zero code is the program's business, and is not retried", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const result = yield* sandboxes.execute({ code: "exit(3)", retryOnFailure: true })
      assert.include(result, { success: false, verdict: "NonZeroExit", exitCode: 3 })
      assert.include(result.error, { code: "RUNTIME_ERROR", category: "program", retryable: false })
      assert.strictEqual((yield* (yield* MockSandboxes).created).length, 1)
    }).pipe(Effect.provide(service({ program: () => Effect.succeed({ exitCode: 3 }) })))
  )

  it.effect("by a signal is Signalled, not a timeout", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const result = yield* sandboxes.execute({ code: "crash" })
      assert.include(result, { verdict: "Signalled", signal: "SIGSEGV" })
      assert.notProperty(result, "exitCode")
    }).pipe(Effect.provide(service({ program: () => Effect.succeed({ signal: "SIGSEGV" }) })))
  )

  it.effect("has its input as a file and its arguments with the command", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      yield* execute({ code: "1", stdin: "é\0", args: ["a b", "", "100%\n"] })
      yield* execute({ code: "1", stdin: "AP8=", stdinEncoding: "base64" })
      yield* execute({ code: "1", stdin: null, args: null, stdinEncoding: null })
      const all = yield* (yield* MockSandboxes).created
      const inputs = all.map(({ files }) => files.map(({ content, path }) => [path, ...content]))
      const path = ".bulkhead-stdin"
      assert.deepStrictEqual(inputs, [[[path, 0xc3, 0xa9, 0]], [[path, 0, 0xff]], []])
      const envs = all.map(({ commands }) => commands[0]?.env)
      assert.deepStrictEqual(
        envs.map((env) => [env?.BULKHEAD_INPUT, env?.BULKHEAD_ARGS]),
        [
          [path, "a b\n\n100%25%0A\n"],
          [path, undefined],
          [undefined, undefined]
        ]
      )
    }).pipe(Effect.provide(service({}, {}, sentAsRoot)))
  )

  it.effect("travels small code with the command and large code as a file", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const large = "#".repeat(200_000)
      yield* sandboxes.execute({ code: "print(1)" })
      yield* sandboxes.execute({
        code: large,
        files: [{ path: "in/a.txt", content: "aGk=", encoding: "base64" }]
      })
      const [first, second] = yield* (yield* MockSandboxes).created
      assert.deepStrictEqual(first?.files, [])
      assert.strictEqual(first?.commands[0]?.env.BULKHEAD_CODE, "print(1)")
      assert.deepStrictEqual(
        second?.files.map(({ path, content }) => [path, content.length]),
        [
          ["in/a.txt", 2],
          ["main.py", 200_000]
        ]
      )
    }).pipe(Effect.provide(service()))
  )
})

describe("the hard timeout", () => {
  it.effect("sends SIGTERM at the deadline; partial output survives", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* Effect.fork(sandboxes.execute({ code: "loop", timeout: 5 }))
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(yield* alive, 1)
      yield* TestClock.adjust("1 millis")
      const result = yield* Fiber.join(fiber)
      assert.include(result, { verdict: "TimeLimitExceeded", stdout: "so far", signal: "SIGTERM" })
      assert.deepStrictEqual(result.receipt?.signals, [{ signal: "SIGTERM", atMs: 5000 }])
      assert.strictEqual(result.metrics.executionTimeMs, 5000)
      assert.strictEqual(result.error?.code, "EXECUTION_TIMEOUT")
      assert.include(result.error?.message, "Execution timeout")
      assert.include(yield* eventsOf(result.executionId), "execution_timeout")
    }).pipe(
      Effect.provide(
        service({ program: (process) => Effect.zipRight(process.stdout("so far"), sleeper(process)) })
      )
    )
  )

  it.effect("sends SIGKILL when the grace is over", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* Effect.fork(sandboxes.execute({ code: "loop", timeout: 5 }))
      yield* TestClock.adjust("15 seconds")
      const result = yield* Fiber.join(fiber)
      assert.deepStrictEqual(result.receipt?.signals, [
        { signal: "SIGTERM", atMs: 5000 },
        { signal: "SIGKILL", atMs: 15_000 }
      ])
      assert.include(result, { verdict: "TimeLimitExceeded", signal: "SIGKILL" })
    }).pipe(Effect.provide(service({ program: stubborn })))
  )

  it.effect("holds when signals cannot be delivered: the sandbox is destroyed all the same", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* Effect.fork(sandboxes.execute({ code: "loop", timeout: 5 }))
      yield* TestClock.adjust("27 seconds")
      const result = yield* Fiber.join(fiber)
      assert.strictEqual(result.verdict, "TimeLimitExceeded")
      assert.deepStrictEqual(result.receipt?.signals, [])
      assert.isTrue(result.receipt?.sandboxDestroyed)
      assert.strictEqual(yield* alive, 0)
    }).pipe(Effect.provide(service({ program: stubborn, signal: Effect.never })))
  )

  it.effect("is the default's when the request names none", () =>
    Effect.gen(function* () {
      const fiber = yield* begin("loop")
      yield* TestClock.adjust("299 seconds")
      assert.strictEqual(yield* alive, 1)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).verdict, "TimeLimitExceeded")
    }).pipe(Effect.provide(service({ program: sleeper })))
  )

  it.effect("a sandbox that cannot be destroyed is said so, and never claimed to be empty", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* Effect.fork(sandboxes.execute({ code: "print(1)" }))
      yield* TestClock.adjust("25 seconds")
      const { receipt, executionId } = yield* Fiber.join(fiber)
      assert.isFalse(receipt?.sandboxDestroyed)
      assert.strictEqual(receipt?.survivors, "unknown")
      assert.include(yield* eventsOf(executionId), "sandbox_leaked")
    }).pipe(Effect.provide(service({ destroy: Effect.never })))
  )
})

describe("output", () => {
  it.effect("past the hard limit ends the program", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const result = yield* sandboxes.execute({ code: "flood" })
      assert.strictEqual(result.verdict, "OutputLimitExceeded")
      assert.strictEqual(result.error?.code, "OUTPUT_LIMIT_EXCEEDED")
      assert.isTrue(result.output.truncated)
      assert.strictEqual(result.output.stdoutBytes, 30_000)
      assert.isBelow(result.stdout.length, 1000)
    }).pipe(
      Effect.provide(
        service(
          { program: (process) => Effect.zipRight(process.stdout("x".repeat(30_000)), sleeper(process)) },
          { maxOutputBytes: 200, hardOutputBytes: 20_000 }
        )
      )
    )
  )
})

describe("killExecution", () => {
  it.effect("ends a running program with what it has written", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* begin("loop")
      const { executionId, state } = yield* latest
      assert.strictEqual(state, "running")
      yield* sandboxes.killExecution(executionId, "runaway")
      const result = yield* Fiber.join(fiber)
      assert.include(result, { verdict: "Killed", signal: "SIGTERM", stdout: "partial" })
      assert.include(result.error, { code: "EXECUTION_KILLED", message: "Execution killed: runaway" })
      const again = yield* Effect.exit(sandboxes.killExecution(executionId))
      assert(Exit.isFailure(again))
      assert.strictEqual((yield* Effect.flip(sandboxes.killExecution(executionId)))._tag, "ExecutionEnded")
    }).pipe(
      Effect.provide(
        service({ program: (process) => Effect.zipRight(process.stdout("partial"), sleeper(process)) })
      )
    )
  )

  it.effect("ends a queued execution at once, without a sandbox", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const running = yield* begin("loop")
      const queued = yield* begin("loop")
      const [waiting] = (yield* sandboxes.listExecutions({ state: "queued" })).items
      assert(waiting)
      yield* sandboxes.killExecution(waiting.executionId)
      const result = yield* Fiber.join(queued)
      assert.strictEqual(result.verdict, "Killed")
      assert.strictEqual((yield* (yield* MockSandboxes).created).length, 1)
      yield* Fiber.interrupt(running)
    }).pipe(Effect.provide(service({ program: sleeper }, { maxSandboxesPerUser: 1 })))
  )

  it.effect("ends an execution whose sandbox is being created, and the sandbox goes too", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* begin("loop")
      const { executionId, state } = yield* latest
      assert.strictEqual(state, "starting")
      yield* sandboxes.killExecution(executionId)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).verdict, "Killed")
      assert.strictEqual(yield* alive, 0)
    }).pipe(Effect.provide(service({ create: Effect.sleep("1 seconds") })))
  )

  it.effect("ends an execution that waits for its next retry", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* begin("loop")
      yield* sandboxes.killExecution((yield* latest).executionId)
      assert.strictEqual((yield* Fiber.join(fiber)).verdict, "Killed")
    }).pipe(Effect.provide(service({ create: failure("SANDBOX_BUSY", "create") })))
  )

  it.effect("of an unknown execution fails", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const error = yield* Effect.flip(sandboxes.killExecution(ExecutionId.make("exec_none")))
      assert.strictEqual(error._tag, "ExecutionNotFound")
    }).pipe(Effect.provide(service()))
  )
})

describe("interrupting execute", () => {
  it.effect("destroys the sandbox, frees the place and leaves one terminal event", () =>
    Effect.gen(function* () {
      const fiber = yield* begin("loop")
      const { executionId } = yield* latest
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* alive, 0)
      const events = yield* eventsOf(executionId)
      assert.deepStrictEqual(events.slice(-1), ["execution_killed"])
      assert.strictEqual((yield* (yield* SandboxService).getSystemMetrics).activeExecutions, 0)
    }).pipe(Effect.provide(service({ program: sleeper })))
  )

  it.effect("does not lose what the program had written", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* begin("loop")
      const { executionId } = yield* latest
      assert.isUndefined((yield* sandboxes.getExecution(executionId)).result)
      yield* Fiber.interrupt(fiber)
      const { state, result } = yield* sandboxes.getExecution(executionId)
      assert.strictEqual(state, "ended")
      assert.include(result, { verdict: "Killed", stdout: "so far", signal: "SIGKILL" })
      assert.strictEqual(result?.error?.message, "Execution killed: the caller went away")
    }).pipe(
      Effect.provide(
        service({ program: (process) => Effect.zipRight(process.stdout("so far"), sleeper(process)) })
      )
    )
  )

  it.effect("while it waits leaves the queue at once", () =>
    Effect.gen(function* () {
      const running = yield* begin("loop")
      const waiting = yield* begin("loop")
      yield* Fiber.interrupt(waiting)
      const metrics = yield* (yield* SandboxService).getSystemMetrics
      assert.include(metrics, { activeExecutions: 1, queuedExecutions: 0 })
      yield* Fiber.interrupt(running)
    }).pipe(Effect.provide(service({ program: sleeper }, { maxSandboxesPerUser: 1 })))
  )
})

describe("retries", () => {
  it.effect("repeat what the infrastructure failed, with exponential pauses", () =>
    Effect.gen(function* () {
      const fiber = yield* begin()
      yield* TestClock.adjust("4 seconds")
      const result = yield* Fiber.join(fiber)
      assert.include(result, { verdict: "Completed" })
      assert.strictEqual(result.metrics.retries, 2)
      assert.strictEqual(
        (yield* eventsOf(result.executionId)).filter((event) => event === "execution_retry").length,
        2
      )
    }).pipe(Effect.provide(service({ create: failingFirst(2, "SANDBOX_BUSY") })))
  )

  it.effect("end after as many as the limits allow", () =>
    Effect.gen(function* () {
      const fiber = yield* begin()
      yield* TestClock.adjust("20 seconds")
      const result = yield* Fiber.join(fiber)
      assert.strictEqual(result.verdict, "InternalError")
      assert.strictEqual(result.metrics.retries, 3)
      assert.strictEqual(result.error?.code, "MAX_RETRIES_EXCEEDED")
      assert.include(result.error?.message, "Max retries exceeded")
      assert.isUndefined(result.metrics.executionTimeMs)
    }).pipe(Effect.provide(service({ create: failure("ECONNREFUSED", "create") })))
  )

  it.effect("leave alone what will not get better", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const result = yield* sandboxes.execute({ code: "print(1)" })
      assert.strictEqual(result.error?.code, "PERMISSION_DENIED")
      assert.strictEqual(result.metrics.retries, 0)
    }).pipe(Effect.provide(service({ create: failure("PERMISSION_DENIED", "create", false) })))
  )

  it.effect("never run code twice without leave; what it wrote by then survives", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const result = yield* sandboxes.execute({ code: "print(1)" })
      assert.include(result, { verdict: "InternalError", stdout: "half" })
      assert.strictEqual(result.error?.code, "ECONNRESET")
      assert.strictEqual((yield* (yield* MockSandboxes).created).length, 1)
    }).pipe(
      Effect.provide(
        service({
          program: (process) => Effect.zipRight(process.stdout("half"), failure("ECONNRESET", "run"))
        })
      )
    )
  )

  it.effect("run code again when the caller gave leave", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* Effect.fork(sandboxes.execute({ code: "print(1)", retryOnFailure: true }))
      yield* settle
      yield* (yield* MockSandboxes).behave({ program: hello })
      yield* TestClock.adjust("2 seconds")
      const result = yield* Fiber.join(fiber)
      assert.include(result, { verdict: "Completed", stdout: "Hello, World!\n" })
    }).pipe(Effect.provide(service({ program: () => failure("ECONNRESET", "run") })))
  )
})

describe("limits on concurrency", () => {
  it.effect("a user runs only so many at once; the rest wait and then run", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const gate = yield* Deferred.make<void>()
      const mock = yield* MockSandboxes
      yield* mock.behave({ program: () => Effect.as(Deferred.await(gate), { exitCode: 0 }) })
      const fibers = yield* Effect.replicateEffect(begin(), 10)
      assert.deepStrictEqual(yield* sandboxes.getUserMetrics(ann), {
        activeExecutions: 5,
        queuedExecutions: 5,
        utilizationPercent: 100,
        gpusInUse: 0,
        artifactBytes: 0,
        openStreams: 0,
        uploadBytes: 0
      })
      assert.deepInclude(yield* sandboxes.canStartExecution(ann), { allowed: false })
      assert.deepStrictEqual(yield* sandboxes.canStartExecution(UserId.make("ben")), { allowed: true })
      yield* Deferred.succeed(gate, undefined)
      const results = yield* joinAll(fibers)
      assert.isTrue(results.every((result) => result.verdict === "Completed"))
      assert.strictEqual(yield* mock.peak, 5)
    }).pipe(Effect.provide(service()))
  )

  it.effect("the system runs only so many at once", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fibers = yield* Effect.forEach(["a", "b", "c", "d"], (user) => begin("loop", user))
      assert.deepStrictEqual(yield* sandboxes.getSystemMetrics, {
        activeExecutions: 3,
        queuedExecutions: 1,
        totalUsers: 4,
        utilizationPercent: 100,
        gpusInUse: 0,
        gpus: [],
        artifactBytes: 0,
        openStreams: 0,
        uploadBytes: 0,
        circuit: "closed",
        pool: { idle: 0, target: 0, hits: 0, misses: 0 },
        reapedSandboxes: 0,
        launcherRestarts: 0
      })
      yield* TestClock.adjust("301 seconds")
      yield* Fiber.interruptAll(fibers)
    }).pipe(Effect.provide(service({ program: sleeper }, { maxConcurrentSandboxes: 3, maxQueueWait: 1000 })))
  )

  it.effect("a wait ends with QueueTimeout, a full queue refuses", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const running = yield* begin("loop")
      const waiting = yield* begin("loop")
      const refused = yield* Effect.flip(sandboxes.execute({ code: "loop", userId: "ann" }))
      assert.strictEqual(refused._tag, "QuotaExceeded")
      yield* TestClock.adjust("60 seconds")
      const waited = yield* Effect.flip(Fiber.join(waiting))
      assert.strictEqual(waited._tag, "QueueTimeout")
      assert.include(yield* eventsOf(waited.executionId), "execution_rejected")
      yield* Fiber.interrupt(running)
    }).pipe(Effect.provide(service({ program: sleeper }, { maxSandboxesPerUser: 1, maxQueuedPerUser: 1 })))
  )

  it.effect("an unknown user's metrics are all zeros", () =>
    Effect.gen(function* () {
      const metrics = yield* (yield* SandboxService).getUserMetrics(UserId.make("__proto__"))
      assert.deepStrictEqual(metrics, {
        activeExecutions: 0,
        queuedExecutions: 0,
        utilizationPercent: 0,
        gpusInUse: 0,
        artifactBytes: 0,
        openStreams: 0,
        uploadBytes: 0
      })
    }).pipe(Effect.provide(service()))
  )
})

it.effect(
  "the log of an unknown execution is unknown, whatever part of it is asked for; a known one's part may be empty",
  () =>
    Effect.gen(function* () {
      const { execute, getEvents } = yield* SandboxService
      const unknown = ExecutionId.make("exec_unknown")
      for (const query of [{}, { cursor: "AAAA" }, { level: "warn" }] as const) {
        assert.strictEqual((yield* Effect.flip(getEvents(unknown, query)))._tag, "ExecutionNotFound")
      }
      const { executionId } = yield* execute({ code: "print(1)" })
      for (const query of [{ cursor: "AAAA" }, { level: "warn" }] as const) {
        assert.deepStrictEqual(yield* getEvents(executionId, query), { items: [] })
      }
    }).pipe(Effect.provide(service()))
)

describe("bad requests", () => {
  const bad: ReadonlyArray<readonly [string, unknown, string]> = [
    ["not an object", [], "request"],
    ["null", null, "request"],
    ["no code", {}, "code"],
    ["empty code", { code: "" }, "code"],
    ["code of another type", { code: 1 }, "code"],
    ["negative timeout", { code: "1", timeout: -1 }, "timeout"],
    ["text timeout", { code: "1", timeout: "5" }, "timeout"],
    ["huge timeout", { code: "1", timeout: 901 }, "timeout"],
    ["infinite timeout", { code: "1", timeout: Number.POSITIVE_INFINITY }, "timeout"],
    ["unknown language", { code: "1", language: "cobol" }, "language"],
    ["known language that is not there", { code: "1", language: "typescript" }, "language"],
    ["prototype as language", { code: "1", language: "__proto__" }, "language"],
    ["empty user", { code: "1", userId: "" }, "userId"],
    ["user with a newline", { code: "1", userId: "a\nb" }, "userId"],
    ["user with a path", { code: "1", userId: "../../etc" }, "userId"],
    ["unknown field", { code: "1", timeoutt: 5 }, "timeoutt"],
    ["file outside", { code: "1", files: [{ path: "../x", content: "" }] }, "files.0.path"],
    ["absolute file", { code: "1", files: [{ path: "/etc/x", content: "" }] }, "files.0.path"],
    [
      "bad base64",
      { code: "1", files: [{ path: "x", content: "*", encoding: "base64" }] },
      "files.0.content"
    ],
    ["bad base64 as input", { code: "1", stdin: "*", stdinEncoding: "base64" }, "stdin"],
    ["half a character as input", { code: "1", stdin: "\ud800" }, "stdin"],
    ["unknown encoding of the input", { code: "1", stdin: "", stdinEncoding: "hex" }, "stdinEncoding"],
    ["argument with NUL", { code: "1", args: ["a", "b\0"] }, "args.1"],
    ["bad variable name", { code: "1", env: { "A=B": "1" } }, "env.A=B"]
  ]
  for (const [name, request, field] of bad) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const sandboxes = yield* SandboxService
        const refusal = yield* Effect.flip(sandboxes.execute(request as never))
        assert(refusal._tag === "InvalidRequest")
        assert.strictEqual(refusal.field, field)
        assert.include(refusal.message, field)
        assert.strictEqual((yield* (yield* MockSandboxes).created).length, 0)
      }).pipe(Effect.provide(service()))
    )
  }

  const file = { path: "a", content: "" }
  const worded: ReadonlyArray<readonly [unknown, string]> = [
    [[], "request: expected a JSON object, got an array"],
    [null, "request: expected a JSON object, got null"],
    [{}, "code: is missing"],
    [{ code: 1 }, "code: expected a string, got a number"],
    [{ code: "1", timeoutt: 5 }, "timeoutt: is unexpected"],
    [{ code: "1", timeout: "5" }, "timeout: expected a number, got a string"],
    [{ code: "1", retryOnFailure: "no" }, "retryOnFailure: expected a boolean, got a string"],
    [{ code: "1", userId: 7 }, "userId: expected a string, got a number"],
    [{ code: "1", files: file }, "files: expected an array of files, got an object"],
    [{ code: "1", files: ["a"] }, "files.0: expected a JSON object, got a string"],
    [
      { code: "1", files: Array.from({ length: 1001 }, () => file) },
      "files: expected at most 1000 files, got 1001"
    ],
    [
      { code: "1", files: [{ ...file, encoding: "hex" }] },
      "files.0.encoding: expected utf8 or base64, got a string"
    ],
    [{ code: "1", env: ["a"] }, "env: expected an object of strings, got an array"],
    [{ code: "1", env: { A: 1 } }, "env.A: expected a string, got a number"],
    [
      { code: "1", env: { ü: "" } },
      "env.ü: expected a name of letters, digits and _ that does not begin with a digit"
    ],
    [{ code: "1", args: "a" }, "args: expected an array of strings, got a string"],
    [{ code: "1", args: [1] }, "args.0: expected a string, got a number"],
    [
      { code: "1", args: Array.from({ length: 1025 }, () => "") },
      "args: expected at most 1024 arguments, got 1025"
    ],
    [{ code: "1", args: ["a".repeat(16_385)] }, "args: expected at most 16384 characters in all"],
    [{ code: "1", stdin: 1 }, "stdin: expected a string, got a number"],
    [{ code: "1", outputDir: {} }, "outputDir: expected a string, got an object"]
  ]
  for (const [request, message] of worded) {
    it.effect(`says "${message}"`, () =>
      Effect.gen(function* () {
        const sandboxes = yield* SandboxService
        assert.strictEqual((yield* Effect.flip(sandboxes.execute(request as never))).message, message)
      }).pipe(Effect.provide(service()))
    )
  }

  const at = (...paths: ReadonlyArray<string>) => ({ files: paths.map((path) => ({ path, content: "" })) })
  const crowded: ReadonlyArray<readonly [object, string]> = [
    [at("a", "b", "a"), "files.2.path: 'a' is files.0 already"],
    [at("a", "a/b"), "files.1.path: 'a/b' lies in 'a', which files.0 is"],
    [at("a/b/c", "a"), "files.1.path: 'a' has 'a/b/c' in it, which files.0 is"],
    [at("main.py"), "files.0.path: 'main.py' is the program's own file already"],
    [{ language: "bash", ...at("main.sh") }, "files.0.path: 'main.sh' is the program's own file already"],
    [at("main.py/x"), "files.0.path: 'main.py/x' lies in 'main.py', which the program's own file is"],
    [at("output"), "files.0.path: 'output' is the output directory already"],
    [{ outputDir: "a/b", ...at("a") }, "files.0.path: 'a' has 'a/b' in it, which the output directory is"],
    [
      { stdin: "", ...at(".bulkhead-stdin") },
      "files.0.path: '.bulkhead-stdin' is the program's standard input already"
    ],
    [{ outputDir: "main.py" }, "outputDir: 'main.py' is the program's own file already"],
    [{ outputDir: "main.py/x" }, "outputDir: 'main.py/x' lies in 'main.py', which the program's own file is"]
  ]
  for (const [request, message] of crowded) {
    it.effect(`says "${message}"`, () =>
      Effect.gen(function* () {
        const { execute } = yield* SandboxService
        const refusal = yield* Effect.flip(execute({ code: "print(1)", ...request }))
        assert(refusal._tag === "InvalidRequest")
        assert.strictEqual(refusal.message, message)
        assert.match(message, new RegExp(`^${refusal.field}: `))
        assert.strictEqual((yield* (yield* MockSandboxes).created).length, 0)
      }).pipe(Effect.provide(service()))
    )
  }

  it.effect("files beside each other and in the output directory are none", () =>
    Effect.gen(function* () {
      const { execute } = yield* SandboxService
      const files = at("a/b", "a/c", "ab", "main.js", "output/d", "output/main.py", "outputs").files
      assert.isTrue((yield* execute({ code: "print(1)", files })).success)
    }).pipe(Effect.provide(service()))
  )

  const long = "a".repeat(1_000_000)
  const large: ReadonlyArray<readonly [string, unknown]> = [
    ["code that is an array", { code: [long] }],
    ["a long text where a number belongs", { code: "1", timeout: long }],
    ["a long field name", { code: "1", [long]: 1 }],
    ["a long variable name", { code: "1", env: { [`${long}-`]: "1" } }],
    ["a long language", { code: "1", language: long }],
    ["a long encoding", { code: "1", files: [{ path: "a", content: "", encoding: long }] }],
    ["a long user", { code: "1", userId: long }],
    [
      "too many files",
      { code: "1", files: Array.from({ length: 1001 }, () => ({ path: "a", content: long })) }
    ],
    ["nothing but text", long]
  ]
  for (const [name, request] of large) {
    it.effect(`${name} is not repeated as a whole`, () =>
      Effect.gen(function* () {
        const sandboxes = yield* SandboxService
        const refusal = yield* Effect.flip(sandboxes.execute(request as never))
        assert(refusal._tag === "InvalidRequest")
        assert.isAtMost(refusal.message.length + refusal.field.length, 1000)
      }).pipe(Effect.provide(service()))
    )
  }

  it.effect("too much code", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const refusal = yield* Effect.flip(sandboxes.execute({ code: "é".repeat(600_000) }))
      assert.include(refusal, { _tag: "RequestTooLarge", field: "code" })
    }).pipe(Effect.provide(service()))
  )
})

describe("tracked work", () => {
  const id = ExecutionId.make("exec_123")

  it.effect("counts against the limits until it ends", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      yield* sandboxes.startExecution(id, ann, 300)
      assert.strictEqual((yield* sandboxes.getUserMetrics(ann)).activeExecutions, 1)
      assert.strictEqual((yield* Effect.flip(sandboxes.startExecution(id, ann)))._tag, "ExecutionExists")
      const other = ExecutionId.make("exec_124")
      assert.strictEqual((yield* Effect.flip(sandboxes.startExecution(other, ann)))._tag, "SystemAtCapacity")
      yield* sandboxes.endExecution(id, { executionTimeMs: 5000 })
      assert.strictEqual((yield* sandboxes.getUserMetrics(ann)).activeExecutions, 0)
      const [started, ended] = yield* sandboxes.getLogs(id)
      assert.strictEqual(started?.message, "Execution started with 300s timeout")
      assert.deepStrictEqual(ended?.data, { executionTimeMs: 5000 })
      assert.strictEqual((yield* Effect.flip(sandboxes.endExecution(id)))._tag, "ExecutionEnded")
    }).pipe(Effect.provide(service({}, { maxSandboxesPerUser: 1 })))
  )

  it.effect("gives its place back after its timeout", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      yield* sandboxes.startExecution(id, ann, 30)
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* eventsOf(id), ["execution_started", "execution_timeout"])
      assert.isTrue((yield* sandboxes.canStartExecution(ann)).allowed)
    }).pipe(Effect.provide(service({}, { maxSandboxesPerUser: 1 })))
  )

  it.effect("can be killed", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      yield* sandboxes.startExecution(id, ann)
      yield* sandboxes.killExecution(id, "user_request")
      yield* settle
      assert.deepStrictEqual(yield* eventsOf(id), ["execution_started", "execution_killed"])
    }).pipe(Effect.provide(service()))
  )
})

describe("shutdown", () => {
  it.effect("refuses new and waiting work, lets what runs finish within the grace, then kills it", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const running = yield* begin("loop")
      const waiting = yield* begin("loop")
      const shutdown = yield* Effect.fork(sandboxes.shutdown)
      yield* settle
      assert.strictEqual((yield* Effect.flip(Fiber.join(waiting)))._tag, "ShuttingDown")
      assert.strictEqual((yield* Effect.flip(sandboxes.execute({ code: "1" })))._tag, "ShuttingDown")
      yield* TestClock.adjust("10 seconds")
      assert.include(yield* Fiber.join(running), { verdict: "Killed", signal: "SIGKILL" })
      yield* Fiber.join(shutdown)
      assert.strictEqual(yield* alive, 0)
    }).pipe(Effect.provide(service({ program: stubborn }, { maxSandboxesPerUser: 1 })))
  )

  it.effect("comes with the end of the layer's scope, and is bounded there too", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(service({ program: stubborn }), scope)
      const running = yield* Effect.provide(begin("loop"), context)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("10 seconds")
      assert.include(yield* Fiber.join(running), { verdict: "Killed", signal: "SIGKILL" })
      yield* Fiber.join(closing)
    })
  )

  it.effect("answers whoever waits although the provider answers nothing any more", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const mute = service({ program: stubborn, signal: Effect.never, destroy: Effect.never })
      const context = yield* Layer.buildWithScope(mute, scope)
      const running = yield* Effect.provide(begin("loop"), context)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.replicateEffect(TestClock.adjust("10 seconds"), 4)
      yield* Fiber.join(closing)
      const { receipt, verdict } = yield* Fiber.join(running)
      assert.strictEqual(verdict, "Killed")
      assert.isFalse(receipt?.sandboxDestroyed)
    })
  )

  it.effect("overtakes a request whose store is slow: it is turned away, and runs nothing", () =>
    Effect.gen(function* () {
      const isReady = yield* Effect.makeLatch(false)
      const slow = Layer.map(MemoryExecutionStore.layer(), (context) =>
        Context.add(context, ExecutionStore, {
          ...Context.get(context, ExecutionStore),
          ready: isReady.await
        })
      )
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        service({ program: stubborn }, {}, GuestProgram.Absent(), slow),
        scope
      )
      const running = yield* Effect.provide(begin("loop"), context)
      yield* Scope.close(scope, Exit.void)
      yield* isReady.open
      assert.strictEqual((yield* Effect.flip(Fiber.join(running)))._tag, "ShuttingDown")
      assert.deepStrictEqual(
        yield* Effect.provide(
          Effect.flatMap(MockSandboxes, ({ created }) => created),
          context
        ),
        []
      )
    })
  )

  for (const [whose, limits] of [
    ["an execution's", {}],
    ["the pool's", { poolMin: 1, poolMax: 1 }]
  ] as const) {
    it.effect(`leaves no sandbox behind of which one destroy failed: ${whose}`, () =>
      Effect.gen(function* () {
        let tries = 0
        const destroy = Effect.suspend(() => (tries++ === 0 ? failure("ECONNRESET", "destroy") : Effect.void))
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(service({ program: stubborn, destroy }, limits), scope)
        yield* settle
        const running = yield* Effect.provide(begin("loop"), context)
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(running)
        yield* Fiber.join(closing)
        assert.strictEqual(yield* Effect.provide(alive, context), 0)
      })
    )
  }
})

it.effect("what still runs has no verdict, and is in no list of those that have one", () =>
  Effect.gen(function* () {
    const sandboxes = yield* SandboxService
    const fiber = yield* begin("loop")
    const ids = (verdict?: "Completed") =>
      Effect.map(
        sandboxes.listExecutions({ state: "running", ...(verdict ? { verdict } : {}) }),
        ({ items }) => items.map(({ executionId }) => executionId)
      )
    assert.strictEqual((yield* ids()).length, 1)
    assert.deepStrictEqual(yield* ids("Completed"), [])
    yield* Fiber.interrupt(fiber)
  }).pipe(Effect.provide(service({ program: stubborn })))
)

describe("spans", () => {
  const spans: Array<Tracer.Span> = []
  const native = Effect.runSync(Effect.tracer)
  const remembering = Tracer.make({
    span: (...given) => {
      const span = native.span(...given)
      spans.push(span)
      return span
    },
    context: (run) => run()
  })
  const parentOf = ({ parent }: Tracer.Span) =>
    Option.match(parent, { onNone: () => "", onSome: (span) => ("name" in span ? span.name : "") })

  it.effect(
    "are one for each request, refused or not, above all that its execution does, from before it is admitted",
    () =>
      Effect.gen(function* () {
        const { execute } = yield* SandboxService
        const program: MockSandboxProvider.MockProgram = (process) =>
          Effect.withSpan(hello(process), "program")
        yield* (yield* MockSandboxes).behave({ program })
        spans.length = 0
        yield* Effect.exit(execute({ code: "" }))
        yield* Effect.withSpan(execute({ code: "print(1)" }), "caller")
        const own = spans.filter(({ name }) => name === "SandboxService.execute")
        assert.deepStrictEqual(own.map(parentOf), ["", "caller"])
        assert.deepStrictEqual(
          own.map(({ status }) => status._tag),
          ["Ended", "Ended"]
        )
        const parents = spans.slice(spans.findIndex(({ name }) => name === "caller")).map(parentOf)
        assert.deepStrictEqual(
          spans.slice(-parents.length).map(({ name }, index) => `${name} in ${parents[index]}`),
          [
            "caller in ",
            "SandboxService.execute in caller",
            "Execution.run in SandboxService.execute",
            "Execution.attempt in Execution.run",
            "Supervision.supervise in Execution.attempt",
            "program in Supervision.supervise"
          ]
        )
      }).pipe(Effect.provide(service()), Effect.withTracer(remembering))
  )
})
