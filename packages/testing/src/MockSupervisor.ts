import { constants } from "node:os"
import type { CommandExit, GuestReport, SandboxCommand } from "@bulkhead/sandbox"
import { Clock, Deferred, Duration, Effect, Fiber, Option, Ref } from "effect"
import type { MockProcess, MockProgram } from "./MockProgram.js"

/** What runs a program under a supervisor in its sandbox. */
export type MockSupervisor = (program: MockProgram) => MockProgram

const ended: GuestReport = {
  reason: "",
  exited: true,
  status: 0,
  wallMs: 31,
  cpuMs: 14,
  peakBytes: 9_542_041,
  oomKills: 0,
  memoryLimitBytes: 2_147_483_648,
  forksRefused: false,
  diskFull: false,
  invalid: false,
  leftRunning: 0,
  survivors: 0,
  clearedMs: 31,
  signals: [],
  stdoutBytes: 0,
  stderrBytes: 0,
  dropped: 0,
  cpuQuota: true,
  outputs: false,
  beganAtUs: 1_700_000_000_000_000,
  outside: 0,
  outsideCut: false,
  outsideNames: [],
  cgroup: "cgroup v2"
}

/** What a supervisor says about one command, and the numbers it was given. All empty where there is none. */
export const voice = ({ env }: Pick<SandboxCommand, "env">) => {
  const { BULKHEAD_LIMITS: limits = "", BULKHEAD_NONCE: nonce } = env
  const line = (text: string) => (nonce === undefined ? "" : `\x1e${nonce} ${text}\n`)
  return {
    isThere: nonce !== undefined,
    limits: limits.split(" ").map(Number),
    started: (cgroup: string = ended.cgroup, ways = "none") => line(`started ${ways} ${cgroup}`),
    report: (report: Partial<GuestReport>) => line(JSON.stringify({ ...ended, ...report }))
  }
}

export type Voice = ReturnType<typeof voice>

/** As `wait` gives it: the signal in the low seven bits, the exit code above eight. */
export const statusOf = ({ exitCode = 0, signal }: CommandExit): number =>
  signal === undefined ? exitCode << 8 : (constants.signals[signal as NodeJS.Signals] ?? 1)

type Signal = "SIGTERM" | "SIGKILL"

/** A process as its supervisor has it: its signals reach it too, and what it writes is counted. */
const supervised = Effect.fnUntraced(function* (process: MockProcess) {
  const began = yield* Clock.currentTimeMillis
  const own = { SIGTERM: yield* Deferred.make<void>(), SIGKILL: yield* Deferred.make<void>() }
  const bytes = yield* Ref.make({ stdoutBytes: 0, stderrBytes: 0 })
  const sent = yield* Ref.make<GuestReport["signals"]>([])
  const sinceBegan = Effect.map(Clock.currentTimeMillis, (now) => now - began)
  const counted = (stream: "stdout" | "stderr") => (text: string) =>
    Effect.zipRight(
      Ref.update(bytes, (sofar) => ({
        ...sofar,
        [`${stream}Bytes`]: sofar[`${stream}Bytes`] + Buffer.byteLength(text)
      })),
      process[stream](text)
    )
  return {
    process: {
      ...process,
      stdout: counted("stdout"),
      stderr: counted("stderr"),
      signalled: (signal: Signal) => Effect.raceFirst(process.signalled(signal), Deferred.await(own[signal]))
    },
    send: Effect.fnUntraced(function* (signal: Signal) {
      const atMs = yield* sinceBegan
      yield* Ref.update(sent, (signals) => [...signals, { signal, atMs }])
      yield* Deferred.succeed(own[signal], undefined)
    }),
    seen: Effect.gen(function* () {
      const wallMs = yield* sinceBegan
      return { ...(yield* Ref.get(bytes)), signals: yield* Ref.get(sent), wallMs, clearedMs: wallMs }
    })
  }
})

/**
 * Watches a program as the real one does, as far as there is something to see: SIGTERM when its time is over, SIGKILL
 * when the grace is, and a report of how it ended, of when, and of what it wrote. CPU time and memory are made up.
 */
export const watching: MockSupervisor = (program) =>
  Effect.fnUntraced(function* (process: MockProcess) {
    const { limits, report, started } = voice(process.command)
    const [timeout = 0, grace = 0] = limits
    yield* process.stderr(started())
    const { process: own, seen, send } = yield* supervised(process)
    const running = yield* Effect.fork(program(own))
    const endsWithin = (millis: number) =>
      Effect.map(Effect.timeoutOption(Fiber.join(running), Duration.millis(millis)), Option.isSome)
    const isInTime = yield* endsWithin(timeout)
    if (!isInTime) yield* send("SIGTERM")
    if (!isInTime && !(yield* endsWithin(grace))) yield* send("SIGKILL")
    const { report: told, ...exit } = yield* Fiber.join(running)
    const reason = isInTime ? "" : "timeout"
    yield* process.stderr(report({ reason, status: statusOf(exit), ...(yield* seen), ...told }))
    return { exitCode: 0 }
  }, Effect.scoped)

/** Says that it begins, lets the program run, and reports what it is told to. */
export const reporting =
  (report: Partial<GuestReport>): MockSupervisor =>
  (program) =>
    Effect.fnUntraced(function* (process: MockProcess) {
      const { report: reported, started } = voice(process.command)
      yield* process.stderr(started(report.cgroup))
      yield* program(process)
      yield* process.stderr(reported(report))
      return { exitCode: 0 }
    })

/** None, whatever a sandbox promises: the program alone. */
export const silent: MockSupervisor = (program) => program
