import {
  type ExecutionError,
  type ExecutionId,
  type ExecutionResult,
  executionError,
  type NetworkPolicy,
  type Receipt,
  type Verdict
} from "@bulkhead/domain"
import type { LimitValues } from "../Limits.js"
import type { SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import type { Outcome } from "../Supervision/Supervision.js"
import { exitOfReport, judge } from "../Supervision/Verdicts.js"
import type { Attempt } from "./Attempt.js"
import * as Hints from "./Hints.js"

/** What a result tells beside the attempt itself. */
export interface Circumstances {
  readonly executionId: ExecutionId
  readonly image?: string
  readonly traceId?: string
  readonly network?: NetworkPolicy
  readonly queueTimeMs?: number
  readonly retries: number
  readonly limits: LimitValues
}

/** What is known of every execution, run or not. */
type Bare = Omit<Circumstances, "limits">

/** What the shell holds a program to where no supervisor watches it. */
const rlimits = { memory: "rlimit", processes: "rlimit", cpuTime: "rlimit", fileSize: "rlimit", cpu: "none" }

/** How a program may reach its supervisor, by the names that the supervisor gives those ways. */
const reaches: Readonly<Record<string, string>> = {
  user: "it runs as the program's user",
  passwords: "an account needs no password",
  services: "a service of root's takes calls",
  setuid: "setuid programs work",
  places: "root runs programs that the program can write"
}

/** No more than the supervisor knows: that there is no way is not known. */
const reachOf = (ways: ReadonlyArray<string>) =>
  ways.length === 0
    ? "no known way to it"
    : `within the program's reach: ${ways.map((way) => reaches[way] ?? way).join(", ")}`

/** Which mechanism enforces what. The provider's own walls stand behind these and are not listed. */
const enforcementOf = ({ cgroup, report, ways = [] }: Outcome): Receipt["enforcement"] => {
  if (cgroup === undefined) return { ...rlimits, wallTime: "service", output: "service", supervisor: "none" }
  const orElse = (otherwise: string) => (cgroup === "none" ? otherwise : cgroup)
  return {
    supervisor: reachOf(ways),
    wallTime: "supervisor",
    output: "supervisor",
    memory: orElse("supervisor"),
    processes: orElse("rlimit"),
    cpuTime: "supervisor",
    fileSize: "rlimit",
    ...(report === undefined ? {} : { cpu: report.cpuQuota ? cgroup : "none" })
  }
}

const receiptOf = ({ outcome, destroyed }: Attempt): Receipt => ({
  signals: outcome.signals,
  ...seenDead(outcome),
  survivors: outcome.report?.survivors ?? "unknown",
  ...oomKillsOf(outcome),
  sandboxDestroyed: destroyed,
  enforcement: enforcementOf(outcome)
})

const seenDead = ({ report }: Outcome) => {
  if (report === undefined) return {}
  const { clearedMs, leftRunning, survivors } = report
  return survivors === 0 ? { leftRunning, deadAtMs: clearedMs } : { leftRunning }
}

const oomKillsOf = ({ report }: Outcome) =>
  report === undefined || report.cgroup === "none" ? {} : { oomKills: report.oomKills }

const exitOf = ({ end, report }: Outcome) => {
  if (report !== undefined) return exitOfReport(report)
  return end._tag === "Lost" ? {} : end.exit
}

const inMegabytes = (bytes: number) => Math.round((10 * bytes) / 1_048_576) / 10

const measured = ({ outcome: { executionTimeMs, report }, startupTimeMs }: Attempt) => {
  if (report !== undefined) {
    const { wallMs, cpuMs, peakBytes } = report
    return { startupTimeMs, executionTimeMs: wallMs, cpuTimeMs: cpuMs, peakMemoryMB: inMegabytes(peakBytes) }
  }
  return executionTimeMs === undefined ? { startupTimeMs } : { startupTimeMs, executionTimeMs }
}

/** A result without a program: nothing ran, or nothing is known of it. */
export const withoutRun = (
  { executionId, image, network, queueTimeMs, retries, traceId }: Bare,
  verdict: Verdict,
  error: ExecutionError
): ExecutionResult => ({
  executionId,
  ...(image !== undefined && { image }),
  ...(traceId !== undefined && { traceId }),
  ...(network && { network }),
  success: false,
  verdict,
  stdout: "",
  stderr: "",
  metrics: { queueTimeMs, retries },
  output: { stdoutBytes: 0, stderrBytes: 0, truncated: false },
  artifacts: [],
  rejectedArtifacts: [],
  error
})

const hintsOf = ({ network }: Bare, attempt: Attempt, verdict: Verdict) => {
  const { collected, denied, outcome, outputDir } = attempt
  const { report, stderr } = outcome
  const hints = Hints.of({
    ...{ verdict, stderr, outputDir, collected, denied },
    ...(network && { network }),
    ...(report && { report })
  })
  return hints.length === 0 ? {} : { hints }
}

const withRun = (
  circumstances: Bare,
  attempt: Attempt,
  verdict: Verdict,
  error: ExecutionError | undefined
): ExecutionResult => ({
  executionId: circumstances.executionId,
  ...(circumstances.image !== undefined && { image: circumstances.image }),
  ...(circumstances.traceId !== undefined && { traceId: circumstances.traceId }),
  ...(circumstances.network && { network: circumstances.network }),
  success: error === undefined,
  verdict,
  stdout: attempt.outcome.stdout,
  stderr: attempt.outcome.stderr,
  ...exitOf(attempt.outcome),
  metrics: {
    ...measured(attempt),
    queueTimeMs: circumstances.queueTimeMs,
    ...(attempt.networkUse && { network: attempt.networkUse }),
    retries: circumstances.retries
  },
  output: attempt.outcome.output,
  artifacts: attempt.collected.artifacts,
  rejectedArtifacts: attempt.collected.rejected,
  ...(attempt.collected.rejectedCounts && { rejectedCounts: attempt.collected.rejectedCounts }),
  ...hintsOf(circumstances, attempt, verdict),
  receipt: receiptOf(attempt),
  ...(error === undefined ? {} : { error })
})

/** The result of an execution of which nothing can be proven, since its record could not be kept. */
export const unrecorded = (
  executionId: ExecutionId,
  result: ExecutionResult | undefined
): ExecutionResult => ({
  ...withoutRun(
    { executionId, retries: 0 },
    "InternalError",
    executionError("INTERNAL_ERROR", "The execution has ended, but its record could not be kept")
  ),
  ...(result === undefined ? {} : { metrics: result.metrics }),
  ...(result?.traceId === undefined ? {} : { traceId: result.traceId }),
  ...(result?.receipt === undefined ? {} : { receipt: result.receipt })
})

/** The result of an attempt whose program came to an end. */
export const ofAttempt = (circumstances: Circumstances, attempt: Attempt): ExecutionResult => {
  const { verdict, error } = judge(attempt.outcome, circumstances.limits, attempt.timeout)
  return withRun(circumstances, attempt, verdict, error)
}

/** The result when the infrastructure failed for good, with whatever the program had written by then. */
export const ofFailure = (
  circumstances: Bare,
  attempt: Attempt | undefined,
  failure: SandboxFailure
): ExecutionResult => {
  const error =
    circumstances.retries === 0
      ? executionError(failure.code, failure.message)
      : executionError("MAX_RETRIES_EXCEEDED", `Max retries exceeded: ${failure.message}`)
  return attempt === undefined
    ? withoutRun(circumstances, "InternalError", error)
    : withRun(circumstances, attempt, "InternalError", error)
}

/** The result of an execution that was killed before its program ran. */
export const ofKill = (circumstances: Bare, reason: string): ExecutionResult =>
  withoutRun(circumstances, "Killed", executionError("EXECUTION_KILLED", `Execution killed: ${reason}`))
