import { constants } from "node:os"
import type { ExecutionResult } from "@bulkhead/domain"
import { ownFailure } from "../Failure.js"

/** As timeout(1) ends. */
const tooLong = 124
/** As a shell says that SIGKILL ended a program. */
const killed = 128 + constants.signals.SIGKILL

const ofSignal = (signal: string | undefined) =>
  128 + (constants.signals[signal as NodeJS.Signals] ?? constants.signals.SIGKILL)

/** What the command ends with: the program's own exit code if it had one. */
export const of = ({ exitCode, signal, verdict }: ExecutionResult): number => {
  switch (verdict) {
    case "Completed":
    case "NonZeroExit":
      return exitCode ?? (verdict === "Completed" ? 0 : 1)
    case "Signalled":
      return ofSignal(signal)
    case "TimeLimitExceeded":
    case "CpuTimeLimitExceeded":
      return tooLong
    case "Rejected":
    case "InternalError":
      return ownFailure
    default:
      return killed
  }
}
