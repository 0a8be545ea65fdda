import { type ErrorCode, type ExecutionError, executionError, type Verdict } from "@bulkhead/domain"
import type { LimitValues } from "../Limits.js"
import type { CommandExit } from "../Sandboxes/SandboxProvider.js"
import * as Signals from "../Signals.js"
import type { GuestReport } from "./GuestReport.js"
import type { Outcome, StopReason } from "./Supervision.js"

export interface Judgement {
  readonly verdict: Verdict
  /** Absent exactly when the verdict is `Completed`. */
  readonly error?: ExecutionError
}

const judgement = (verdict: Verdict, code: ErrorCode, message: string): Judgement => ({
  verdict,
  error: executionError(code, message)
})

const timeLimit = (timeout: number) =>
  judgement(
    "TimeLimitExceeded",
    "EXECUTION_TIMEOUT",
    `Execution timeout: the program ran longer than ${timeout} s`
  )

const cpuTimeLimit = ({ maxCpuTime }: LimitValues) =>
  judgement(
    "CpuTimeLimitExceeded",
    "EXECUTION_TIMEOUT",
    `Execution timeout: the program used more than ${maxCpuTime} s of CPU time`
  )

const megabyte = 1_048_576

const memoryLimit = ({ memoryLimitBytes }: GuestReport) =>
  judgement(
    "MemoryLimitExceeded",
    "MEMORY_LIMIT_EXCEEDED",
    `The program needed more than ${Math.round(memoryLimitBytes / megabyte)} MB of memory`
  )

const processLimit = ({ maxProcesses }: LimitValues) =>
  judgement(
    "ProcessLimitExceeded",
    "PROCESS_LIMIT_EXCEEDED",
    `The program needed more than ${maxProcesses} processes and threads`
  )

const outputLimit = ({ hardOutputBytes }: LimitValues) =>
  judgement(
    "OutputLimitExceeded",
    "OUTPUT_LIMIT_EXCEEDED",
    `The program wrote more than ${hardOutputBytes} bytes`
  )

const diskLimit = () =>
  judgement("DiskLimitExceeded", "DISK_LIMIT_EXCEEDED", "The program needed more disk than it may use")

const ofExit = ({ exitCode, signal }: CommandExit): Judgement => {
  if (signal !== undefined) return judgement("Signalled", "RUNTIME_ERROR", `Program was ended by ${signal}`)
  if (exitCode === 0) return { verdict: "Completed" }
  return judgement("NonZeroExit", "RUNTIME_ERROR", `Program exited with code ${exitCode ?? "unknown"}`)
}

const ofStop = (reason: StopReason, limits: LimitValues, timeout: number): Judgement => {
  switch (reason._tag) {
    case "Deadline":
      return timeLimit(timeout)
    case "OutputLimit":
      return outputLimit(limits)
    case "OutputLate":
      return judgement("InternalError", "INTERNAL_ERROR", "The program's output did not come in time")
    case "Killed":
      return judgement("Killed", "EXECUTION_KILLED", `Execution killed: ${reason.reason}`)
  }
}

/** How the supervisor saw the program itself end. */
export const exitOfReport = ({ exited, status }: GuestReport): CommandExit => {
  if (!exited) return {}
  const signal = status & 127
  return signal === 0 ? { exitCode: status >> 8 } : { signal: Signals.nameOf(signal) }
}

/** A program that failed by itself, seen in the light of what it ran into. */
const ofFailedReport = (report: GuestReport, limits: LimitValues): Judgement => {
  const exit = exitOfReport(report)
  // A program can send itself the signal, but not without having used the time.
  if (exit.signal === "SIGXCPU" && report.cpuMs >= limits.maxCpuTime * 1000) return cpuTimeLimit(limits)
  if (exit.signal === "SIGXFSZ" || report.diskFull) return diskLimit()
  if (report.forksRefused) return processLimit(limits)
  if (report.invalid)
    return judgement("NonZeroExit", "INVALID_CODE", "The program is not valid in its language")
  return ofExit(exit)
}

const ofReport = (report: GuestReport, limits: LimitValues, timeout: number): Judgement => {
  if (report.reason === "" && report.exited && report.status === 0) return { verdict: "Completed" }
  // Whatever came of the rest, since somebody may have waited for those that the limit killed.
  if (report.oomKills > 0) return memoryLimit(report)
  switch (report.reason) {
    case "timeout":
      return timeLimit(timeout)
    case "cpu":
      return cpuTimeLimit(limits)
    case "memory":
      return memoryLimit(report)
    case "processes":
      return processLimit(limits)
    case "output":
      return outputLimit(limits)
    case "":
      return ofFailedReport(report, limits)
  }
}

/** Whether the report tells of an end that came before ours. */
const isReason = ({ reason }: GuestReport, stop: StopReason) => reason !== "" || stop._tag === "OutputLate"

/** What an outcome means. `timeout` in seconds. */
export const judge = ({ end, report }: Outcome, limits: LimitValues, timeout: number): Judgement => {
  if (end._tag === "Stopped" && !(report !== undefined && isReason(report, end.reason))) {
    return ofStop(end.reason, limits, timeout)
  }
  if (report !== undefined) return ofReport(report, limits, timeout)
  return end._tag === "Lost"
    ? judgement("InternalError", end.failure.code, end.failure.message)
    : ofExit(end.exit)
}
