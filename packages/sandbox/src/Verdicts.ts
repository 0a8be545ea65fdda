import { type ExecutionError, executionError, type Verdict } from "@bulkhead/domain"
import type { CommandExit } from "./SandboxProvider.js"
import type { Ending, StopReason } from "./Supervisor.js"

export interface Judgement {
  readonly verdict: Verdict
  /** Absent exactly when the verdict is `Completed`. */
  readonly error?: ExecutionError
}

const ofExit = ({ exitCode, signal }: CommandExit): Judgement => {
  if (signal !== undefined) {
    return { verdict: "Signalled", error: executionError("RUNTIME_ERROR", `Program was ended by ${signal}`) }
  }
  if (exitCode === 0) return { verdict: "Completed" }
  return {
    verdict: "NonZeroExit",
    error: executionError("RUNTIME_ERROR", `Program exited with code ${exitCode}`)
  }
}

const ofStop = (reason: StopReason, timeout: number): Judgement => {
  switch (reason._tag) {
    case "Deadline":
      return {
        verdict: "TimeLimitExceeded",
        error: executionError(
          "EXECUTION_TIMEOUT",
          `Execution timeout: the program ran longer than ${timeout} s`
        )
      }
    case "OutputLimit":
      return {
        verdict: "OutputLimitExceeded",
        error: executionError("OUTPUT_LIMIT_EXCEEDED", "The program wrote more output than it may")
      }
    case "Killed":
      return {
        verdict: "Killed",
        error: executionError("EXECUTION_KILLED", `Execution killed: ${reason.reason}`)
      }
  }
}

/** What an ending means. `timeout` in seconds. */
export const judge = (ending: Ending, timeout: number): Judgement => {
  switch (ending._tag) {
    case "Exited":
      return ofExit(ending.exit)
    case "Stopped":
      return ofStop(ending.reason, timeout)
    case "Lost":
      return {
        verdict: "InternalError",
        error: executionError(ending.failure.code, ending.failure.message)
      }
  }
}
