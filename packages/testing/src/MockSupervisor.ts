import type { SupervisorReport } from "@bulkhead/sandbox"
import { Effect } from "effect"
import type { MockProgram } from "./MockSandboxProvider.js"

const ended: SupervisorReport = {
  reason: "",
  exited: true,
  status: 0,
  wallMs: 31,
  cpuMs: 14,
  peakBytes: 9_542_041,
  oomKills: 0,
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
  cgroup: "cgroup v2"
}

/** A command that behaves like the supervisor in a sandbox: says that it begins, runs the program, and reports what it is told to. */
export const reporting =
  (
    report: Partial<SupervisorReport>,
    program: MockProgram = () => Effect.succeed({ exitCode: 0 })
  ): MockProgram =>
  (process) =>
    Effect.gen(function* () {
      const nonce = process.command.env.BULKHEAD_NONCE
      yield* process.stderr(`\x1e${nonce} started ${report.cgroup ?? ended.cgroup}\n`)
      yield* program(process)
      yield* process.stderr(`\x1e${nonce} ${JSON.stringify({ ...ended, ...report })}\n`)
      return { exitCode: 0 }
    })
