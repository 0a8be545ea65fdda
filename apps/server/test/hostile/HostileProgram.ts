import type { ErrorCode, ExecutionRequestInput, ExecutionResult, SentSignal, Verdict } from "@bulkhead/domain"

/** A program that means harm, and what must come of it. */
export interface HostileProgram extends Pick<ExecutionRequestInput, "env" | "files" | "timeout"> {
  readonly name: string
  readonly language: "python" | "bash" | "javascript"
  readonly code: string
  /** Several, where the kernel may see either limit first. */
  readonly verdict: Verdict | ReadonlyArray<Verdict>
  /** The verdict's own unless told. */
  readonly error?: ErrorCode
  readonly exitCode?: number
  readonly signal?: string
  /** The signals that had to be sent, in order. */
  readonly signals?: ReadonlyArray<SentSignal["signal"]>
  /** Fewest processes that it leaves behind at its end. */
  readonly leftRunning?: number
  readonly stdout?: RegExp
  readonly stderr?: RegExp
  /** Longest time to the answer, in seconds; 6 unless told. */
  readonly within?: number
  readonly also?: (result: ExecutionResult) => void
}

/** What the server of the suite allows. */
export const limits = {
  memoryMB: 128,
  processes: 32,
  diskMB: 32,
  graceSeconds: 1,
  cpuSeconds: 2,
  keptBytes: 65_536,
  hardOutputBytes: 32 * 1_048_576
}

export const settings = {
  SANDBOX_MAX_MEMORY_MB: String(limits.memoryMB),
  SANDBOX_MAX_PROCESSES: String(limits.processes),
  SANDBOX_MAX_DISK_MB: String(limits.diskMB),
  SANDBOX_KILL_GRACE_PERIOD: String(limits.graceSeconds),
  SANDBOX_MAX_CPU_TIME: String(limits.cpuSeconds),
  SANDBOX_MAX_CPU_PERCENT: "100",
  SANDBOX_MAX_OUTPUT_BYTES: String(limits.keptBytes),
  SANDBOX_HARD_OUTPUT_BYTES: String(limits.hardOutputBytes)
}
