import type { EventLevel, EventName, ExecutionResult, Usage, Verdict } from "@bulkhead/domain"
import { Either } from "effect"
import type { SandboxSize } from "../Sandboxes/SandboxProvider.js"
import type { Ending } from "./ExecutionLog.js"
import * as Prices from "./Prices.js"

/** What an auditor asks first. The program's output is in the result alone. */
const factsOf = ({ error, exitCode, metrics, receipt, signal, verdict }: ExecutionResult) => ({
  verdict,
  ...(error ? { code: error.code } : {}),
  ...(exitCode === undefined ? {} : { exitCode }),
  ...(signal === undefined ? {} : { signal }),
  metrics,
  ...(receipt ? { survivors: receipt.survivors, sandboxDestroyed: receipt.sandboxDestroyed } : {})
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

const ofResult = (result: ExecutionResult): Ending => {
  const { error, verdict } = result
  const [level, event] = eventOfVerdict(verdict)
  const message = error?.message ?? "Execution completed"
  return { level, event, verdict, message, data: factsOf(result), result }
}

/** How an execution ended, as the books have it. */
export const of: (settled: Either.Either<ExecutionResult, { readonly message: string }>) => Ending =
  Either.match({
    onLeft: ({ message }): Ending => ({
      level: "warn",
      event: "execution_rejected",
      verdict: "Rejected",
      message
    }),
    onRight: ofResult
  })

/** What an execution used whose sandboxes of this size lived for so many milliseconds together. */
export const usageOf = (
  sandboxMs: number,
  size: SandboxSize,
  prices: Prices.PriceValues,
  result: ExecutionResult | undefined
): Usage | undefined => {
  if (sandboxMs === 0) return undefined
  const artifactBytes = (result?.artifacts ?? []).reduce((sum, { size }) => sum + size, 0)
  return Prices.usageOf(sandboxMs, size, artifactBytes, prices)
}
