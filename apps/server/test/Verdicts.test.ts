import { randomUUID } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import type { ErrorCode, ExecutionRequestInput, Verdict } from "@bulkhead/domain"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Caller from "./Caller.js"
import * as HostProcesses from "./HostProcesses.js"
import { settings } from "./hostile/HostileProgram.js"
import * as ServerProcess from "./ServerProcess.js"

interface Ending {
  readonly verdict: Verdict
  readonly error?: ErrorCode
  readonly request: ExecutionRequestInput
  readonly exitCode?: number
  readonly signal?: string
}

const endings: ReadonlyArray<Ending> = [
  { verdict: "Completed", request: { code: "print('begun')" }, exitCode: 0 },
  {
    verdict: "NonZeroExit",
    error: "RUNTIME_ERROR",
    request: { code: "print('begun'); exit(7)" },
    exitCode: 7
  },
  { verdict: "NonZeroExit", error: "INVALID_CODE", request: { code: "echo begun\nif", language: "bash" } },
  {
    verdict: "Signalled",
    error: "RUNTIME_ERROR",
    request: { code: "echo begun; kill -SEGV $$", language: "bash" },
    signal: "SIGSEGV"
  },
  {
    verdict: "TimeLimitExceeded",
    error: "EXECUTION_TIMEOUT",
    request: { code: "echo begun; sleep 600", language: "bash", timeout: 1 },
    signal: "SIGTERM"
  },
  {
    verdict: "CpuTimeLimitExceeded",
    error: "EXECUTION_TIMEOUT",
    request: { code: "echo begun; while :; do :; done", language: "bash", timeout: 60 },
    signal: "SIGTERM"
  },
  {
    verdict: "MemoryLimitExceeded",
    error: "MEMORY_LIMIT_EXCEEDED",
    request: { code: "print('begun')\nx = b'x' * 1_000_000_000", timeout: 20 },
    signal: "SIGKILL"
  },
  {
    verdict: "OutputLimitExceeded",
    error: "OUTPUT_LIMIT_EXCEEDED",
    request: { code: "echo begun; exec yes", language: "bash", timeout: 20 }
  },
  {
    verdict: "DiskLimitExceeded",
    error: "DISK_LIMIT_EXCEEDED",
    request: { code: "echo begun; cat /dev/zero > big", language: "bash", timeout: 20 }
  },
  {
    verdict: "ProcessLimitExceeded",
    error: "PROCESS_LIMIT_EXCEEDED",
    request: {
      code: "import os, time\nprint('begun')\nwhile True:\n    if os.fork() == 0: time.sleep(600)",
      timeout: 20
    }
  }
]

/** A field of the process table. */
const parentOf = (pid: string) => {
  const [, parent = ""] = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return parent
}

const childrenOf = (parent: string) =>
  readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && parentOf(name) === parent
    } catch {
      return false
    }
  })

const serverMark = randomUUID()

/** Its second process tells that its words have been heard. */
const sleeper = (userId: string, mark: string) => ({
  code: "import subprocess, time\nprint('begun')\ntime.sleep(0.3)\nsubprocess.run(['sleep', '600'])",
  userId,
  env: { MARK: mark }
})

/** Starts a program and waits until it and its child run. */
const running = (request: ReturnType<typeof sleeper>) =>
  Effect.gen(function* () {
    const mark = request.env.MARK
    const fiber = yield* Effect.fork(Caller.execute(request))
    const { executionId } = yield* Caller.inState(request.userId, "running")
    yield* HostProcesses.awaitMarked(mark, (count) => count >= 2)
    const [program = ""] = (yield* HostProcesses.marked(mark)).toSorted((a, b) => Number(a) - Number(b))
    const supervisor = parentOf(program)
    // The one that the embedded host has installed.
    if (process.getuid?.() === 0)
      assert.match(
        readFileSync(`/proc/${supervisor}/cmdline`, "utf8"),
        /^\/opt\/bulkhead\/guest-[0-9a-f]{16}\0supervise\0/
      )
    return { fiber, executionId, supervisor }
  })

layer(
  ServerProcess.layer({
    ...settings,
    SUITE: serverMark,
    SANDBOX_MAX_SANDBOXES_PER_USER: "1",
    SANDBOX_MAX_QUEUED_PER_USER: "1"
  }),
  { excludeTestServices: true, timeout: 60_000 }
)("verdicts", (it) => {
  for (const { error, exitCode, request, signal, verdict } of endings) {
    it.effect(
      error === undefined ? verdict : `${verdict}, ${error}`,
      () =>
        Effect.gen(function* () {
          const result = yield* Caller.execute(request)
          assert.strictEqual(result.verdict, verdict, JSON.stringify(result).slice(0, 2000))
          assert.strictEqual(result.error?.code, error)
          assert.strictEqual(result.success, error === undefined)
          if (exitCode !== undefined) assert.strictEqual(result.exitCode, exitCode)
          if (signal !== undefined) assert.strictEqual(result.signal, signal)
          assert.match(result.stdout, /^begun\n/)
          assert.deepInclude(result.receipt, { survivors: 0, sandboxDestroyed: true })
          const { cpuTimeMs, executionTimeMs, peakMemoryMB } = result.metrics
          for (const measured of [cpuTimeMs, executionTimeMs, peakMemoryMB]) assert.isAbove(measured ?? 0, 0)
        }),
      60_000
    )
  }

  it.effect("Rejected, when the queue is full", () =>
    Effect.gen(function* () {
      const mark = randomUUID()
      const { executionId, fiber } = yield* running(sleeper("rejected", mark))
      const waiting = yield* Effect.fork(Caller.execute(sleeper("rejected", mark)))
      const queued = yield* Caller.inState("rejected", "queued")
      const { body, status } = yield* Caller.post(sleeper("rejected", mark))
      assert.strictEqual(status, 429)
      assert.deepInclude(body, { success: false, verdict: "Rejected", stdout: "" })
      assert.strictEqual(body.error.code, "QUOTA_EXCEEDED")
      yield* Effect.forEach([queued.executionId, executionId], Caller.kill)
      yield* Effect.zip(Fiber.join(waiting), Fiber.join(fiber))
    })
  )

  describe("Killed", () => {
    it.effect("while it runs, with what it had written; a second time it is too late", () =>
      Effect.gen(function* () {
        const mark = randomUUID()
        const { executionId, fiber } = yield* running(sleeper("runner", mark))
        assert.strictEqual(yield* Caller.kill(executionId), 200)
        const result = yield* Fiber.join(fiber)
        assert.deepInclude(result, { success: false, verdict: "Killed", stdout: "begun\n" })
        assert.strictEqual(result.error?.code, "EXECUTION_KILLED")
        assert.deepInclude(result.receipt, { survivors: 0, sandboxDestroyed: true })
        assert.strictEqual(result.receipt?.signals[0]?.signal, "SIGTERM")
        assert.deepStrictEqual(yield* HostProcesses.marked(mark), [])
        assert.strictEqual(yield* Caller.kill(executionId), 409)
      })
    )

    it.effect("while it waits", () =>
      Effect.gen(function* () {
        const mark = randomUUID()
        const { executionId, fiber } = yield* running(sleeper("waiter", mark))
        const waiting = yield* Effect.fork(Caller.execute({ code: "print(1)", userId: "waiter" }))
        const queued = yield* Caller.inState("waiter", "queued")
        assert.strictEqual(yield* Caller.kill(queued.executionId), 200)
        const result = yield* Fiber.join(waiting)
        assert.deepInclude(result, { verdict: "Killed", stdout: "" })
        assert.isUndefined(result.receipt)
        yield* Caller.kill(executionId)
        yield* Fiber.join(fiber)
      })
    )

    it.effect("while its sandbox is made", () =>
      Effect.gen(function* () {
        const [server = ""] = yield* HostProcesses.marked(serverMark)
        const launchers = childrenOf(server).map(Number)
        const each = (signal: NodeJS.Signals) =>
          Effect.sync(() => {
            for (const pid of launchers) process.kill(pid, signal)
          })
        yield* each("SIGSTOP")
        yield* Effect.addFinalizer(() => each("SIGCONT"))
        const fiber = yield* Effect.fork(Caller.execute({ code: "print(1)", userId: "starter" }))
        const { executionId } = yield* Caller.inState("starter", "starting")
        assert.strictEqual(yield* Caller.kill(executionId), 200)
        yield* each("SIGCONT")
        assert.deepInclude(yield* Fiber.join(fiber), { verdict: "Killed", stdout: "" })
        const events = (yield* Caller.logs(executionId)).map(({ event }) => event)
        assert.strictEqual(events.at(-1), "execution_killed")
        assert.notInclude(events, "program_started")
      }).pipe(Effect.scoped)
    )

    it.effect(
      "although it has laid a trap for the shell that kills it",
      () =>
        Effect.gen(function* () {
          const mark = randomUUID()
          const trap = `
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for name in (".bash_profile", ".bash_login", ".profile", ".bashrc"):
    with open(os.path.expanduser("~/" + name), "w") as file: file.write("exec sleep 600")
`
          const honest = sleeper("trapper", mark)
          const { executionId, fiber } = yield* running({ ...honest, code: trap + honest.code })
          const began = performance.now()
          yield* Caller.kill(executionId)
          const result = yield* Fiber.join(fiber)
          assert.deepInclude(result, { verdict: "Killed", stdout: "begun\n", signal: "SIGKILL" })
          assert.deepInclude(result.receipt, { survivors: 0, sandboxDestroyed: true })
          assert.isBelow(performance.now() - began, 5000)
          assert.deepStrictEqual(yield* HostProcesses.marked(mark), [])
        }),
      30_000
    )

    it.effect("when its caller hangs up", () =>
      Effect.gen(function* () {
        const mark = randomUUID()
        const { executionId, fiber } = yield* running(sleeper("leaver", mark))
        yield* Fiber.interrupt(fiber)
        const ended = yield* Caller.inState("leaver", "ended")
        assert.deepInclude(ended, { executionId, verdict: "Killed" })
        assert.deepStrictEqual(yield* HostProcesses.marked(mark), [])
        const events = (yield* Caller.logs(executionId)).map(({ event }) => event)
        assert.strictEqual(events.at(-1), "execution_killed")
        assert.include(events, "sandbox_destroyed")
      })
    )
  })

  describe("InternalError, with what had been written", () => {
    const lost = (name: string, victim: (supervisor: string) => string, code: ErrorCode) =>
      it.effect(name, () =>
        Effect.gen(function* () {
          const mark = randomUUID()
          const userId = `lost-${code.toLowerCase()}`
          const { fiber, supervisor } = yield* running(sleeper(userId, mark))
          process.kill(Number(victim(supervisor)), "SIGKILL")
          const result = yield* Fiber.join(fiber)
          assert.deepInclude(result, { success: false, verdict: "InternalError", stdout: "begun\n" })
          assert.strictEqual(result.error?.code, code)
          assert.strictEqual(result.metrics.retries, 0)
          // Whoever could tell of survivors was lost, but the kernel ended them with the sandbox.
          assert.deepInclude(result.receipt, { survivors: "unknown", sandboxDestroyed: true })
          assert.deepStrictEqual(yield* HostProcesses.marked(mark), [])
        })
      )

    lost("when the sandbox is lost", parentOf, "ECONNRESET")
    lost("when the supervisor in it is lost", (supervisor) => supervisor, "INTERNAL_ERROR")
  })

  it.effect("leave no place taken", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* Caller.get("/api/sandbox/metrics"), {
        activeExecutions: 0,
        queuedExecutions: 0
      })
      assert.strictEqual((yield* Caller.execute({ code: "print('on')" })).stdout, "on\n")
    })
  )
})
