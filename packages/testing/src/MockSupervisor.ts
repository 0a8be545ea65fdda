import type { GuestReport, SandboxCommand } from "@bulkhead/sandbox"
import { Effect } from "effect"
import type { MockProgram } from "./MockSandboxProvider.js"

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

/**
 * A command that behaves like the supervisor in a sandbox: says that it begins, runs the program, and reports what it
 * is told to.
 */
export const reporting =
  (report: Partial<GuestReport>, program: MockProgram = () => Effect.succeed({ exitCode: 0 })): MockProgram =>
  (process) =>
    Effect.gen(function* () {
      const { report: reported, started } = voice(process.command)
      yield* process.stderr(started(report.cgroup))
      yield* program(process)
      yield* process.stderr(reported(report))
      return { exitCode: 0 }
    })
