import { Schema } from "effect"
import { Artifact, RejectedArtifact } from "./Artifact.js"
import { ExecutionError } from "./ExecutionError.js"
import { ExecutionId } from "./ExecutionId.js"
import { Verdict } from "./Verdict.js"

/** Times in milliseconds, memory in MB. What could not be measured is absent. */
export const ExecutionMetrics = Schema.Struct({
  /** From the program's start to its end. Absent: it never started. */
  executionTimeMs: Schema.optional(Schema.Number),
  queueTimeMs: Schema.optional(Schema.Number),
  startupTimeMs: Schema.optional(Schema.Number),
  cpuTimeMs: Schema.optional(Schema.Number),
  peakMemoryMB: Schema.optional(Schema.Number),
  retries: Schema.Number
})
export type ExecutionMetrics = typeof ExecutionMetrics.Type

export const OutputSummary = Schema.Struct({
  /** Bytes the program wrote, kept or not. */
  stdoutBytes: Schema.Number,
  stderrBytes: Schema.Number,
  /** Whether something of a stream is, or may be, missing here: its middle was left out, or its end did not come. */
  truncated: Schema.Boolean
})
export type OutputSummary = typeof OutputSummary.Type

/** A signal that was sent to the whole process tree, and when: milliseconds after the program's start. */
export const SentSignal = Schema.Struct({ signal: Schema.Literal("SIGTERM", "SIGKILL"), atMs: Schema.Number })
export type SentSignal = typeof SentSignal.Type

/** A number of processes, or `unknown` where nobody could tell for certain. */
export const Survivors = Schema.Union(Schema.NonNegativeInt, Schema.Literal("unknown"))
export type Survivors = typeof Survivors.Type

/** What was done to end the execution, and what is known to be left of it. */
export const Receipt = Schema.Struct({
  signals: Schema.Array(SentSignal),
  /** Processes that the program left behind at its end, and that were killed. Absent: nobody counted. */
  leftRunning: Schema.optional(Schema.Number),
  /** When the last process of the program was seen dead: milliseconds after its start. Absent: nobody looked. */
  deadAtMs: Schema.optional(Schema.Number),
  /**
   * Processes of the program that outlived all of that. 0 is proven: nobody was left when its artifacts were read.
   * That the sandbox was destroyed afterwards changes nothing here.
   */
  survivors: Schema.optionalWith(Survivors, { default: () => "unknown" as const }),
  /** Processes of the program that its memory limit killed. Absent: nothing counts them there. */
  oomKills: Schema.optional(Schema.Number),
  sandboxDestroyed: Schema.Boolean,
  /**
   * Which mechanism enforces each cap, `none` where nothing does. `supervisor` says whether the program could reach
   * whoever wrote all this: `no known way to it`, `within the program's reach: ` and how, or `none`: there was none.
   */
  enforcement: Schema.Record({ key: Schema.String, value: Schema.String })
})
export type Receipt = typeof Receipt.Type

export const ExecutionResult = Schema.Struct({
  executionId: ExecutionId,
  success: Schema.Boolean,
  verdict: Verdict,
  stdout: Schema.String,
  stderr: Schema.String,
  /** Absent: the program did not exit by itself. */
  exitCode: Schema.optional(Schema.Number),
  /** The signal that ended the program, like `SIGSEGV`. */
  signal: Schema.optional(Schema.String),
  metrics: ExecutionMetrics,
  output: OutputSummary,
  artifacts: Schema.Array(Artifact),
  rejectedArtifacts: Schema.Array(RejectedArtifact),
  /** Absent: no sandbox was ever asked for. */
  receipt: Schema.optional(Receipt),
  /** Present exactly when `success` is false. */
  error: Schema.optional(ExecutionError)
})
export type ExecutionResult = typeof ExecutionResult.Type

/** The result of a request that was turned away before any sandbox was asked for. */
export const rejectedResult = (executionId: ExecutionId, error: ExecutionError): ExecutionResult => ({
  executionId,
  success: false,
  verdict: "Rejected",
  stdout: "",
  stderr: "",
  metrics: { retries: 0 },
  output: { stdoutBytes: 0, stderrBytes: 0, truncated: false },
  artifacts: [],
  rejectedArtifacts: [],
  error
})
