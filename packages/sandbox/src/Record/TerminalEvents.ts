import type { EventLevel, EventName, ExecutionResult, Receipt, Verdict } from "@bulkhead/domain"
import type { TerminalEvent } from "./ExecutionLog.js"

/** What an auditor asks first. The program's output is in the result alone. */
const factsOf = ({ error, exitCode, metrics, receipt, signal, verdict }: ExecutionResult) => ({
  verdict,
  ...(error ? { code: error.code } : {}),
  ...(exitCode === undefined ? {} : { exitCode }),
  ...(signal === undefined ? {} : { signal }),
  metrics,
  ...(receipt ? factsOfReceipt(receipt) : {})
})

const factsOfReceipt = ({ oomKills, sandboxDestroyed, survivors }: Receipt) => ({
  survivors,
  ...(oomKills === undefined ? {} : { oomKills }),
  sandboxDestroyed
})

const eventOfVerdict = (verdict: Verdict): readonly [EventLevel, EventName] => {
  switch (verdict) {
    case "Completed":
      return ["info", "execution_completed"]
    case "TimeLimitExceeded":
      return ["warn", "execution_timeout"]
    case "Killed":
      return ["warn", "execution_killed"]
    case "InternalError":
      return ["error", "execution_failed"]
    default:
      return ["warn", "execution_failed"]
  }
}

/** An execution has a result, whatever came of its program. */
export const ofResult = (result: ExecutionResult): TerminalEvent => {
  const { error, verdict } = result
  const [level, event] = eventOfVerdict(verdict)
  const message = error?.message ?? "Execution completed"
  return { level, event, verdict, message, data: factsOf(result), result }
}

/** A request was turned away. */
export const ofRefusal = ({ message }: { readonly message: string }): TerminalEvent => ({
  level: "warn",
  event: "execution_rejected",
  verdict: "Rejected",
  message
})
