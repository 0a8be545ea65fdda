import { type GuestReport, SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider, MockSupervisor } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { begin, sentAsRoot, service } from "./Fixture.js"

const { failure, printing, sleeper, stubborn } = MockSandboxProvider
const { reporting, silent, voice } = MockSupervisor

const supervised = (report: Partial<GuestReport>, program?: MockSandboxProvider.MockProgram) =>
  service({ ...(program ? { program } : {}), supervisor: reporting(report) }, {}, sentAsRoot)

const run = Effect.flatMap(SandboxService, (sandboxes) => sandboxes.execute({ code: "print(1)" }))

/** A wait status: the exit code above, the signal below. */
const exited = (code: number) => code << 8

describe("each report of the supervisor is one verdict", () => {
  const rows: ReadonlyArray<readonly [string, Partial<GuestReport>, string, string | undefined]> = [
    ["an end in peace", {}, "Completed", undefined],
    ["an exit code", { status: exited(3) }, "NonZeroExit", "RUNTIME_ERROR"],
    [
      "a program its language cannot read",
      { status: exited(1), invalid: true },
      "NonZeroExit",
      "INVALID_CODE"
    ],
    ["a signal", { status: 11 }, "Signalled", "RUNTIME_ERROR"],
    ["the deadline", { reason: "timeout", status: 15 }, "TimeLimitExceeded", "EXECUTION_TIMEOUT"],
    ["the deadline, met with an exit of 0", { reason: "timeout" }, "TimeLimitExceeded", "EXECUTION_TIMEOUT"],
    [
      "CPU time seen by the supervisor",
      { reason: "cpu", status: 15 },
      "CpuTimeLimitExceeded",
      "EXECUTION_TIMEOUT"
    ],
    [
      "CPU time seen by the kernel",
      { status: 24, cpuMs: 900_010 },
      "CpuTimeLimitExceeded",
      "EXECUTION_TIMEOUT"
    ],
    ["the signal for CPU time, sent without any", { status: 24 }, "Signalled", "RUNTIME_ERROR"],
    [
      "memory seen by the supervisor",
      { reason: "memory", status: 15 },
      "MemoryLimitExceeded",
      "MEMORY_LIMIT_EXCEEDED"
    ],
    ["memory seen by the kernel", { status: 9, oomKills: 1 }, "MemoryLimitExceeded", "MEMORY_LIMIT_EXCEEDED"],
    ["a child's death for memory that the program coped with", { oomKills: 1 }, "Completed", undefined],
    [
      "a child's death for memory that the program waited for until its deadline",
      { reason: "timeout", status: 15, oomKills: 1 },
      "MemoryLimitExceeded",
      "MEMORY_LIMIT_EXCEEDED"
    ],
    [
      "the same, met with an exit of 0",
      { reason: "timeout", oomKills: 1 },
      "MemoryLimitExceeded",
      "MEMORY_LIMIT_EXCEEDED"
    ],
    [
      "a child's death for memory on which the program spent its CPU time",
      { reason: "cpu", status: 15, oomKills: 2 },
      "MemoryLimitExceeded",
      "MEMORY_LIMIT_EXCEEDED"
    ],
    ["output", { reason: "output", status: 15 }, "OutputLimitExceeded", "OUTPUT_LIMIT_EXCEEDED"],
    ["a full disk", { status: exited(1), diskFull: true }, "DiskLimitExceeded", "DISK_LIMIT_EXCEEDED"],
    ["a file too large", { status: 25 }, "DiskLimitExceeded", "DISK_LIMIT_EXCEEDED"],
    ["a full disk that the program coped with", { diskFull: true }, "Completed", undefined],
    ["processes", { reason: "processes", status: 15 }, "ProcessLimitExceeded", "PROCESS_LIMIT_EXCEEDED"],
    [
      "a refused fork",
      { status: exited(1), forksRefused: true },
      "ProcessLimitExceeded",
      "PROCESS_LIMIT_EXCEEDED"
    ]
  ]
  for (const [name, report, verdict, code] of rows) {
    it.effect(`${name} is ${verdict}`, () =>
      Effect.gen(function* () {
        const result = yield* run
        assert.strictEqual(result.verdict, verdict)
        assert.strictEqual(result.error?.code, code)
        assert.strictEqual(result.success, code === undefined)
        assert.strictEqual(result.metrics.peakMemoryMB, 9.1)
        assert.strictEqual(result.receipt?.enforcement.memory, "cgroup v2")
      }).pipe(Effect.provide(supervised(report)))
    )
  }
})

describe("memory", () => {
  it.effect("names the limit that held, and counts whom it killed", () =>
    Effect.gen(function* () {
      const { error, receipt } = yield* run
      assert.strictEqual(error?.message, "The program needed more than 512 MB of memory")
      assert.strictEqual(receipt?.oomKills, 3)
    }).pipe(Effect.provide(supervised({ status: 9, oomKills: 3, memoryLimitBytes: 512 * 1_048_576 })))
  )

  it.effect("that killed somebody is told of a program that coped", () =>
    Effect.gen(function* () {
      const { receipt, verdict } = yield* run
      assert.strictEqual(verdict, "Completed")
      assert.strictEqual(receipt?.oomKills, 1)
    }).pipe(Effect.provide(supervised({ oomKills: 1 })))
  )

  it.effect("kills nobody knows of where nothing counts them", () =>
    Effect.gen(function* () {
      assert.notProperty((yield* run).receipt, "oomKills")
    }).pipe(Effect.provide(supervised({ cgroup: "none" })))
  )
})

describe("survivors", () => {
  for (const survivors of [0, 2, "unknown"] as const)
    it.effect(`are as many as the supervisor says, ${survivors}, although the sandbox is destroyed`, () =>
      Effect.gen(function* () {
        const { receipt } = yield* run
        assert.deepInclude(receipt, { survivors, sandboxDestroyed: true })
        assert.strictEqual(receipt?.deadAtMs !== undefined, survivors === 0)
      }).pipe(Effect.provide(supervised({ survivors })))
    )
})

describe("under the supervisor", () => {
  it.effect("its words are not the program's", () =>
    Effect.gen(function* () {
      const result = yield* run
      assert.deepInclude(result, { stdout: "out", stderr: "err" })
      assert.deepStrictEqual(result.output, { stdoutBytes: 5000, stderrBytes: 3, truncated: true })
    }).pipe(
      Effect.provide(
        supervised({ stdoutBytes: 5000, stderrBytes: 3, dropped: 4997 }, (process) =>
          Effect.as(Effect.zipRight(process.stdout("out"), process.stderr("err")), { exitCode: 0 })
        )
      )
    )
  )

  it.effect("an end without a report is a failure of ours, since nobody saw the program's own", () =>
    Effect.gen(function* () {
      const result = yield* run
      assert.strictEqual(result.verdict, "InternalError")
      assert.isDefined(result.metrics.executionTimeMs)
    }).pipe(
      Effect.provide(
        service(
          {
            supervisor: silent,
            program: (process) =>
              Effect.as(process.stderr(`\x1e${process.command.env.BULKHEAD_NONCE} started none none\n`), {
                signal: "SIGKILL"
              })
          },
          {},
          sentAsRoot
        )
      )
    )
  )

  const unbelievable: Readonly<Record<string, MockSandboxProvider.MockProgram>> = {
    "that its speaker does not outlive": (process) => {
      const { report, started } = voice(process.command)
      return Effect.as(process.stderr(started() + report({})), { signal: "SIGKILL" })
    },
    "that is followed by another": (process) => {
      const { report, started } = voice(process.command)
      return Effect.as(process.stderr(started() + report({}) + report({ status: 9 })), { exitCode: 0 })
    },
    "after two beginnings": (process) => {
      const { report, started } = voice(process.command)
      const both = started(undefined, "user") + started() + report({})
      return Effect.as(process.stderr(both), { exitCode: 0 })
    },
    "without a beginning": (process) =>
      Effect.as(process.stderr(voice(process.command).report({})), { exitCode: 0 })
  }
  for (const [name, program] of Object.entries(unbelievable))
    it.effect(`a report ${name} is not believed`, () =>
      Effect.gen(function* () {
        const { receipt, verdict } = yield* run
        assert.strictEqual(verdict, "InternalError")
        assert.strictEqual(receipt?.survivors, "unknown")
      }).pipe(Effect.provide(service({ supervisor: silent, program }, {}, sentAsRoot)))
    )

  for (const [ways, said] of [
    ["none", "no known way to it"],
    ["user", "within the program's reach: it runs as the program's user"],
    [
      "passwords,services",
      "within the program's reach: an account needs no password, a service of root's takes calls"
    ]
  ] as const)
    it.effect(`the receipt tells the ways to it that are left: ${ways}`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* run).receipt?.enforcement.supervisor, said)
      }).pipe(
        Effect.provide(
          service(
            {
              supervisor: silent,
              program: (process) => {
                const { report, started } = voice(process.command)
                return Effect.as(process.stderr(started(undefined, ways) + report({})), { exitCode: 0 })
              }
            },
            {},
            sentAsRoot
          )
        )
      )
    )

  it.effect("one that never begins is a failure of ours, and the program never ran", () =>
    Effect.gen(function* () {
      const result = yield* run
      assert.strictEqual(result.verdict, "InternalError")
      assert.isUndefined(result.metrics.executionTimeMs)
    }).pipe(Effect.provide(service({ program: printing("", 127), supervisor: silent }, {}, sentAsRoot)))
  )

  it.effect("one that never says anything is given up, and counted as possibly run", () =>
    Effect.gen(function* () {
      const fiber = yield* begin("loop")
      yield* TestClock.adjust("30 seconds")
      const result = yield* Fiber.join(fiber)
      assert.strictEqual(result.error?.code, "ETIMEDOUT")
      assert.strictEqual(result.metrics.retries, 0)
    }).pipe(Effect.provide(service({ program: stubborn, supervisor: silent }, {}, sentAsRoot)))
  )

  it.effect("the service's wall holds when the supervisor's does not", () =>
    Effect.gen(function* () {
      const fiber = yield* begin("loop")
      yield* TestClock.adjust("312 seconds")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 seconds")
      const result = yield* Fiber.join(fiber)
      assert.strictEqual(result.verdict, "TimeLimitExceeded")
      assert.deepStrictEqual(result.receipt?.signals, [{ signal: "SIGKILL", atMs: 313_000 }])
    }).pipe(Effect.provide(supervised({}, stubborn)))
  )

  it.effect("a kill is a kill, whatever the report says of the program's end", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      const fiber = yield* begin("loop")
      const [execution] = (yield* sandboxes.listExecutions()).items
      assert(execution)
      yield* sandboxes.killExecution(execution.executionId, "runaway")
      const result = yield* Fiber.join(fiber)
      assert.include(result, { verdict: "Killed", signal: "SIGTERM" })
    }).pipe(Effect.provide(supervised({ status: 15 }, sleeper)))
  )

  it.effect("a lost sandbox leaves what was written", () =>
    Effect.gen(function* () {
      const result = yield* run
      assert.deepInclude(result, { verdict: "InternalError", stdout: "half" })
      assert.isTrue(result.output.truncated)
    }).pipe(
      Effect.provide(
        supervised({}, (process) => Effect.zipRight(process.stdout("half"), failure("ECONNRESET", "run")))
      )
    )
  )

  it.effect("the program's variables stay out of the supervisor's environment", () =>
    Effect.gen(function* () {
      const sandboxes = yield* SandboxService
      yield* sandboxes.execute({ code: "1", env: { PERL5OPT: "-Mevil", TWO: "a\nb%" } })
      const [sandbox] = yield* (yield* MockSandboxProvider.MockSandboxes).created
      const command = sandbox?.commands[0]
      assert.strictEqual(command?.user, "root")
      assert.notProperty(command?.env, "PERL5OPT")
      assert.strictEqual(
        command?.env.BULKHEAD_ENV,
        "LANG=C.UTF-8\nPYTHONUNBUFFERED=1\nPERL5OPT=-Mevil\nTWO=a%0Ab%25"
      )
    }).pipe(Effect.provide(supervised({})))
  )
})
