import { randomUUID } from "node:crypto"
import { existsSync, readdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs"
import { type ErrorCode, type ExecutionResult, errorCodes, type Verdict } from "@bulkhead/domain"
import { assert, it, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as HostProcesses from "./HostProcesses.js"
import { clock } from "./hostile/Clock.js"
import { disk } from "./hostile/Disk.js"
import { escapes } from "./hostile/Escapes.js"
import { exits } from "./hostile/Exits.js"
import { hops } from "./hostile/Hops.js"
import { type HostileProgram, limits, settings } from "./hostile/HostileProgram.js"
import { memory } from "./hostile/Memory.js"
import { ooms } from "./hostile/Ooms.js"
import { floods, output } from "./hostile/Output.js"
import { processes } from "./hostile/Processes.js"
import { secrets, snooping } from "./hostile/Snooping.js"
import { supervisor } from "./hostile/Supervisor.js"
import { uncounted } from "./hostile/Uncounted.js"
import * as ServerProcess from "./ServerProcess.js"

const themes = {
  ...{ processes, hops, memory, ooms, output, disk, clock, exits, supervisor, escapes, snooping, uncounted }
}

/** In the environment of this suite's server alone. */
const serverMark = randomUUID()

/** More at once would make each of them slow. */
const atOnce = Effect.unsafeMakeSemaphore(3)

const errorOf: Partial<Record<Verdict, ErrorCode>> = {
  Signalled: "RUNTIME_ERROR",
  TimeLimitExceeded: "EXECUTION_TIMEOUT",
  CpuTimeLimitExceeded: "EXECUTION_TIMEOUT",
  MemoryLimitExceeded: "MEMORY_LIMIT_EXCEEDED",
  OutputLimitExceeded: "OUTPUT_LIMIT_EXCEEDED",
  DiskLimitExceeded: "DISK_LIMIT_EXCEEDED",
  ProcessLimitExceeded: "PROCESS_LIMIT_EXCEEDED"
}

/** Runs a program, with a mark in its environment by which whatever is left of it is found. */
const run = ({ code, env, files, language, timeout }: HostileProgram, mark: string) =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    Caller.execute({
      ...{ code, language, timeout: timeout ?? 5, files: files ?? [] },
      env: { SERVER_PORT: new URL(url).port, ...env, MARK: mark }
    })
  )

const checkVerdict = (program: HostileProgram, result: ExecutionResult) => {
  const { error, success, verdict } = result
  assert.include([program.verdict].flat(), verdict)
  assert.strictEqual(success, verdict === "Completed")
  assert.strictEqual(error === undefined, success)
  const code = program.error ?? errorOf[verdict]
  if (code !== undefined && !success) assert.strictEqual(error?.code, code)
  if (error !== undefined) assert.strictEqual(error.category, errorCodes[error.code].category)
}

const checkEvidence = (program: HostileProgram, { exitCode, metrics, receipt, signal }: ExecutionResult) => {
  if (program.exitCode !== undefined) assert.strictEqual(exitCode, program.exitCode)
  if (program.signal !== undefined) assert.strictEqual(signal, program.signal)
  assert.isTrue((exitCode === undefined) !== (signal === undefined), "either an exit code or a signal")
  assert.strictEqual(receipt?.survivors, 0)
  assert.isTrue(receipt?.sandboxDestroyed)
  assert.strictEqual(receipt.enforcement.supervisor, "no known way to it")
  if (program.signals !== undefined) {
    assert.deepStrictEqual(
      receipt.signals.map((sent) => sent.signal),
      program.signals
    )
  }
  if (program.leftRunning !== undefined) assert.isAtLeast(receipt.leftRunning ?? -1, program.leftRunning)
  assert.strictEqual(metrics.retries, 0)
  const { cpuTimeMs, executionTimeMs, peakMemoryMB } = metrics
  assert.isAtLeast(executionTimeMs ?? -1, 0)
  assert.isAtLeast(cpuTimeMs ?? -1, 0)
  assert.isAbove(peakMemoryMB ?? 0, 1)
  assert.isAtMost(peakMemoryMB ?? 0, 1.25 * limits.memoryMB)
}

const checkOutput = (program: HostileProgram, { stderr, stdout }: ExecutionResult) => {
  if (program.stdout !== undefined) assert.match(stdout, program.stdout)
  if (program.stderr !== undefined) assert.match(stderr, program.stderr)
}

/** What a failed check needs to be understood. */
const shorten = ({ stderr, stdout, ...rest }: ExecutionResult) =>
  JSON.stringify({ ...rest, stdout: stdout.slice(-1000), stderr: stderr.slice(-1000) })

const explained = (result: ExecutionResult, check: () => void) => {
  try {
    check()
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : cause}\n${shorten(result)}`, { cause })
  }
}

const endsAsItMust = (program: HostileProgram) =>
  Effect.gen(function* () {
    const mark = randomUUID()
    const began = performance.now()
    const result = yield* run(program, mark)
    const seconds = (performance.now() - began) / 1000
    const survivors = yield* HostProcesses.marked(mark)
    explained(result, () => {
      checkVerdict(program, result)
      checkEvidence(program, result)
      checkOutput(program, result)
      program.also?.(result)
      assert.deepStrictEqual(survivors, [])
      assert.isAtMost(seconds, program.within ?? 6)
    })
  })

const statusOf = (pid: string, field: string) => {
  const [, value] =
    new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Number(value)
}

const theServer = Effect.suspend(() => HostProcesses.marked(serverMark)).pipe(
  Effect.map(([pid]) => pid ?? assert.fail("no server"))
)

/** The server's descendants, the launcher that starts sandboxes among them. */
const descendantsOf = (parent: string): ReadonlyArray<string> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/status`))
    .filter((name) => {
      try {
        return statusOf(name, "PPid") === Number(parent)
      } catch {
        return false
      }
    })
    .flatMap((child) => [child, ...descendantsOf(child)])

/** The cgroups that a server has made, in whatever hierarchy. */
const cgroupsOf = (pid: string) =>
  [".", ...readdirSync("/sys/fs/cgroup")].flatMap((hierarchy) => {
    const room = `/sys/fs/cgroup/${hierarchy}/bulkhead`
    return (existsSync(room) ? readdirSync(room) : [])
      .filter((instance) => instance.startsWith(`${pid}-`))
      .map((instance) => `${room}/${instance}`)
  })

const directoriesIn = (path: string) =>
  readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())

const hostUse = () => {
  const [, available] = /^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? []
  const { bavail, bsize } = statfsSync("/")
  return { memoryMB: -Number(available) / 1024, diskMB: (-bavail * bsize) / 1_048_576 }
}

layer(
  ServerProcess.layer({ ...settings, ...secrets, SUITE: serverMark, SANDBOX_MAX_SANDBOXES_PER_USER: "8" }),
  {
    excludeTestServices: true,
    timeout: 60_000
  }
)("hostile programs", (it) => {
  const before = hostUse()

  for (const [theme, programs] of Object.entries(themes)) {
    for (const program of programs) {
      it.effect(`${theme}: ${program.name}`, () => atOnce.withPermits(1)(endsAsItMust(program)), {
        concurrent: true,
        timeout: 240_000
      })
    }
  }

  it.effect(
    "a flood costs the server less than 16 MB",
    () =>
      Effect.gen(function* () {
        const pid = yield* theServer
        yield* Effect.forEach(floods, (flood) => run(flood, randomUUID()))
        for (const flood of floods) {
          const idle = statusOf(pid, "VmRSS")
          writeFileSync(`/proc/${pid}/clear_refs`, "5")
          yield* run(flood, randomUUID())
          assert.isBelow((statusOf(pid, "VmHWM") - idle) / 1024, 16, flood.name)
        }
      }),
    120_000
  )

  it.effect(
    "leave nothing behind",
    () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* Caller.get("/api/sandbox/metrics"), {
          activeExecutions: 0,
          queuedExecutions: 0,
          totalUsers: 0,
          utilizationPercent: 0
        })
        const { executions } = yield* Caller.get("/api/sandbox/executions")
        assert.deepStrictEqual(
          executions.filter(({ state }: { state: string }) => state !== "ended"),
          []
        )
        const pid = yield* theServer
        // A sandbox's own processes are gone with its result; the launcher may still reap what held them.
        yield* Effect.suspend(() =>
          descendantsOf(pid).length === 1 ? Effect.void : Effect.fail("more than the launcher")
        ).pipe(
          Effect.retry(Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(60))),
          Effect.ignore
        )
        const [launcher = "", ...others] = descendantsOf(pid)
        assert.deepStrictEqual(others, [])
        assert.include(readFileSync(`/proc/${launcher}/cmdline`, "utf8"), "launch")
        assert.strictEqual(
          readFileSync(`/proc/${pid}/mounts`, "utf8"),
          readFileSync("/proc/self/mounts", "utf8")
        )
        assert.deepStrictEqual(yield* Caller.get("/health"), { status: "ok" })
        const hello = yield* run(
          { name: "hello", language: "python", code: "print('Hello, World!')", verdict: "Completed" },
          randomUUID()
        )
        assert.deepInclude(hello, { verdict: "Completed", stdout: "Hello, World!\n" })
        // Others on the machine take and give back too; what a program left stays taken.
        yield* Effect.sync(() => {
          const after = hostUse()
          assert.isBelow(after.memoryMB - before.memoryMB, 1024)
          assert.isBelow(after.diskMB - before.diskMB, 1024)
        }).pipe(
          Effect.sandbox,
          Effect.retry({ times: 90, schedule: Schedule.spaced("1 second") }),
          Effect.unsandbox
        )
        for (const cgroup of cgroupsOf(pid)) assert.deepStrictEqual(directoriesIn(cgroup), [])
      }),
    150_000
  )
})

it.scopedLive("a server that has ended leaves no process, no cgroup and no directory", () =>
  Effect.gen(function* () {
    const mark = randomUUID()
    const server = yield* ServerProcess.start({ ...settings, SUITE: mark })
    const [pid = ""] = yield* HostProcesses.marked(mark)
    const [bomb] = processes
    assert.isDefined(bomb)
    yield* Effect.provideService(run(bomb, randomUUID()), ServerProcess.ServerProcess, server)
    assert.isAbove(cgroupsOf(pid).length, 0)
    const family = descendantsOf(pid)
    yield* server.kill("SIGTERM")
    assert.strictEqual((yield* server.ended).code, 0)
    assert.deepStrictEqual(
      family.filter((member) => existsSync(`/proc/${member}`)),
      []
    )
    assert.deepStrictEqual(cgroupsOf(pid), [])
    assert.deepStrictEqual(
      readdirSync("/run/bulkhead-host").filter((name) => name.startsWith(`${pid}-`)),
      []
    )
  })
)
