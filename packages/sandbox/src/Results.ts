import {
  type ExecutionError,
  type ExecutionId,
  type ExecutionResult,
  executionError,
  type Receipt,
  type Verdict
} from "@bulkhead/domain"
import type { SandboxFailure } from "./SandboxProvider.js"
import type { Outcome } from "./Supervisor.js"
import { judge } from "./Verdicts.js"

/** What one attempt at an execution came to. */
export interface Attempt {
  readonly outcome: Outcome
  readonly startupTimeMs: number
  /** Whether the provider confirmed that the sandbox is gone. */
  readonly destroyed: boolean
}

/** What a result tells beside the attempt itself. */
export interface Circumstances {
  readonly executionId: ExecutionId
  readonly queueTimeMs?: number
  readonly retries: number
  /** Seconds. */
  readonly timeout: number
}

const receiptOf = ({ outcome, destroyed }: Attempt): Receipt => ({
  signals: outcome.signals,
  // Whatever ran in a sandbox that is gone is gone with it.
  ...(destroyed ? { survivors: 0 } : {}),
  sandboxDestroyed: destroyed,
  enforcement: { wallTime: "service" }
})

const exitOf = ({ ending }: Outcome) => (ending._tag === "Lost" ? {} : ending.exit)

const measured = ({ outcome, startupTimeMs }: Attempt) => ({
  startupTimeMs,
  ...(outcome.executionTimeMs === undefined ? {} : { executionTimeMs: outcome.executionTimeMs })
})

/** A result without a program: nothing ran, or nothing is known of it. */
export const withoutRun = (
  { executionId, queueTimeMs, retries }: Omit<Circumstances, "timeout">,
  verdict: Verdict,
  error: ExecutionError
): ExecutionResult => ({
  executionId,
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

const withRun = (
  { executionId, queueTimeMs, retries }: Circumstances,
  attempt: Attempt,
  verdict: Verdict,
  error: ExecutionError | undefined
): ExecutionResult => ({
  executionId,
  success: error === undefined,
  verdict,
  stdout: attempt.outcome.stdout,
  stderr: attempt.outcome.stderr,
  ...exitOf(attempt.outcome),
  metrics: { ...measured(attempt), queueTimeMs, retries },
  output: attempt.outcome.output,
  artifacts: [],
  rejectedArtifacts: [],
  receipt: receiptOf(attempt),
  ...(error === undefined ? {} : { error })
})

/** The result of an attempt whose program came to an end. */
export const ofAttempt = (circumstances: Circumstances, attempt: Attempt): ExecutionResult => {
  const { verdict, error } = judge(attempt.outcome.ending, circumstances.timeout)
  return withRun(circumstances, attempt, verdict, error)
}

/** The result when the infrastructure failed for good, with whatever the program had written by then. */
export const ofFailure = (
  circumstances: Circumstances,
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
export const ofKill = (circumstances: Omit<Circumstances, "timeout">, reason: string): ExecutionResult =>
  withoutRun(circumstances, "Killed", executionError("EXECUTION_KILLED", `Execution killed: ${reason}`))
