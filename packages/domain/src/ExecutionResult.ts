import { Schema } from "effect"
import { Artifact, RejectedArtifact, RejectedCount } from "./Artifact.js"
import { CodeFinding, mostFindings } from "./CodeFinding.js"
import { ExecutionError } from "./ExecutionError.js"
import { ExecutionId } from "./ExecutionId.js"
import { NetworkPolicy, NetworkUse } from "./Network.js"
import { TraceId } from "./TraceId.js"
import { Verdict } from "./Verdict.js"

const number = (description: string) => Schema.Number.annotations({ description })

/** Times in milliseconds, memory in MB. What could not be measured is absent. */
export const ExecutionMetrics = Schema.Struct({
  executionTimeMs: Schema.optional(
    number("Milliseconds from the program's start to its end. Absent: it never started.")
  ),
  queueTimeMs: Schema.optional(number("Milliseconds that it waited for its turn.")),
  startupTimeMs: Schema.optional(number("Milliseconds until its sandbox was ready.")),
  cpuTimeMs: Schema.optional(number("Milliseconds of CPU time, of all its processes.")),
  peakMemoryMB: Schema.optional(number("MB of memory that it had at most.")),
  network: Schema.optional(
    NetworkUse.annotations({
      description: "What it used of the network. Absent: nobody counts it there, or it had none."
    })
  ),
  retries: number("How often it was tried again after the infrastructure had failed.")
})
export type ExecutionMetrics = typeof ExecutionMetrics.Type

export const OutputSummary = Schema.Struct({
  stdoutBytes: number("Bytes that the program wrote to its standard output, kept or not."),
  stderrBytes: number("Bytes that the program wrote to its standard error, kept or not."),
  truncated: Schema.Boolean.annotations({
    description:
      "Whether something of a stream is, or may be, missing in the result: its middle was left out, or its end did not come."
  })
})
export type OutputSummary = typeof OutputSummary.Type

/** A signal that was sent to the whole process tree, and when: milliseconds after the program's start. */
export const SentSignal = Schema.Struct({
  signal: Schema.Literal("SIGTERM", "SIGKILL").annotations({ description: "Which one." }),
  atMs: number("When: milliseconds after the program's start.")
})
export type SentSignal = typeof SentSignal.Type

/** A number of processes, or `unknown` where nobody could tell for certain. */
export const Survivors = Schema.Union(Schema.NonNegativeInt, Schema.Literal("unknown"))
export type Survivors = typeof Survivors.Type

/** What was done to end the execution, and what is known to be left of it. */
export const Receipt = Schema.Struct({
  signals: Schema.Array(SentSignal).annotations({
    description: "The signals that were sent to all of its processes, in this order."
  }),
  leftRunning: Schema.optional(
    number("Processes that the program left behind at its end, and that were killed. Absent: nobody counted.")
  ),
  deadAtMs: Schema.optional(
    number("When its last process was seen dead: milliseconds after its start. Absent: nobody looked.")
  ),
  /**
   * Processes of the program that outlived all of that. 0 is proven: nobody was left when its artifacts were read.
   * That the sandbox was destroyed afterwards changes nothing here.
   */
  survivors: Schema.optionalWith(Survivors, { default: () => "unknown" as const }).annotations({
    description:
      "Processes of the program that outlived all of that; 0 is proven, and `unknown` stands where nobody could tell."
  }),
  oomKills: Schema.optional(
    number("Processes of the program that its memory limit killed. Absent: nothing counts them there.")
  ),
  sandboxDestroyed: Schema.Boolean.annotations({
    description: "Whether its sandbox is known to be destroyed; else the reaper ends it."
  }),
  /**
   * Which mechanism enforces each cap, `none` where nothing does. `supervisor` says whether the program could reach
   * whoever wrote all this: `no known way to it`, `within the program's reach: ` and how, or `none`: there was none.
   */
  enforcement: Schema.Record({ key: Schema.String, value: Schema.String }).annotations({
    description:
      "Which mechanism enforces each cap, `none` where nothing does; and under `supervisor`, whether the program could reach who says all this."
  })
})
export type Receipt = typeof Receipt.Type

export const ExecutionResult = Schema.Struct({
  executionId: ExecutionId,
  image: Schema.optional(
    Schema.String.annotations({
      description: "The image that its sandbox was made from. Absent: the plain sandbox."
    })
  ),
  traceId: Schema.optional(TraceId),
  success: Schema.Boolean.annotations({ description: "Whether the program ended well: verdict Completed." }),
  verdict: Verdict,
  stdout: Schema.String.annotations({
    description: "What the program wrote before it ended; of a long stream the beginning and the end.",
    examples: ["Hello, World!\n"]
  }),
  stderr: Schema.String.annotations({ description: "Its standard error, in the same way.", examples: [""] }),
  exitCode: Schema.optional(number("Its exit code, 0 to 255. Absent: the program did not exit by itself.")),
  signal: Schema.optional(
    Schema.String.annotations({
      description: "The signal that ended the program. Absent: none did.",
      examples: ["SIGSEGV"]
    })
  ),
  metrics: ExecutionMetrics.annotations({
    description: "Times and memory. What could not be measured is absent."
  }),
  output: OutputSummary.annotations({ description: "How much the program wrote." }),
  artifacts: Schema.Array(Artifact).annotations({ description: "Files that it left, and that are kept." }),
  rejectedArtifacts: Schema.Array(RejectedArtifact).annotations({
    description:
      "What is in its output directory and is not kept. Of very many some are named for each reason, and `rejectedCounts` has the numbers."
  }),
  rejectedCounts: Schema.optional(
    Schema.Array(RejectedCount).annotations({
      description:
        "How many files are not kept, by reason. Absent: `rejectedArtifacts` names every one of them."
    })
  ),
  hints: Schema.optional(
    Schema.Array(Schema.String).annotations({
      description:
        "Remarks on what the caller may not expect, each a sentence or two: files that were left outside the output directory, files that were renamed, a limit that struck without ending the program. At most 10, of at most 300 characters. Absent: there are none.",
      examples: [
        [
          '1 file was left outside output/: plot.csv. Write files into $SANDBOX_OUTPUT_DIR, or send outputDir "." to have them.'
        ]
      ]
    })
  ),
  findings: Schema.optional(
    Schema.Array(CodeFinding).annotations({
      description: `What the look at the code found before it ran, at most ${mostFindings}. Absent: nothing, or the operator has no code looked at.`
    })
  ),
  notAnalysed: Schema.optional(
    Schema.String.annotations({
      description: "Why not all of the code was looked at, where the operator has code looked at.",
      examples: ["the code took longer than 1500 ms to analyse"]
    })
  ),
  network: Schema.optional(
    NetworkPolicy.annotations({
      description: "What it was allowed of the network. Absent: its sandboxes hold to no policy."
    })
  ),
  receipt: Schema.optional(
    Receipt.annotations({
      description:
        "What was done to end it, and what is known to be left of it. Absent: no sandbox was ever asked for."
    })
  ),
  error: Schema.optional(
    ExecutionError.annotations({ description: "Present exactly when `success` is false." })
  )
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
