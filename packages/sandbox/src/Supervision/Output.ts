import type { OutputSummary } from "@bulkhead/domain"
import type { LimitValues } from "../Limits.js"
import { HeadTail } from "./HeadTail.js"

export interface CollectedOutput {
  readonly stdout: string
  readonly stderr: string
  readonly output: OutputSummary
}

/** What the supervisor in the sandbox adds to a stream that it bounds: a line that says how much it left out. */
const supervisorMargin = 256

/** Both streams of one program, in bounded memory, readable at any moment. */
export class Output {
  private readonly streams: { readonly stdout: HeadTail; readonly stderr: HeadTail }
  private readonly hardOutputBytes: number

  constructor({ hardOutputBytes, maxOutputBytes }: Pick<LimitValues, "hardOutputBytes" | "maxOutputBytes">) {
    const half = Math.ceil(maxOutputBytes / 2) + supervisorMargin
    this.streams = { stdout: new HeadTail(half), stderr: new HeadTail(half) }
    this.hardOutputBytes = hardOutputBytes
  }

  append(stream: "stdout" | "stderr", bytes: Uint8Array): void {
    this.streams[stream].append(bytes)
  }

  /** Whether the program has written more than it may. */
  get isFlood(): boolean {
    const { stdout, stderr } = this.streams
    return stdout.total + stderr.total > this.hardOutputBytes
  }

  /** What there is by now; `hasMore` when the program may have written more than has come. */
  collected(hasMore: boolean): CollectedOutput {
    const { stdout, stderr } = this.streams
    return {
      stdout: stdout.text,
      stderr: stderr.text,
      output: {
        stdoutBytes: stdout.total,
        stderrBytes: stderr.total,
        truncated: hasMore || stdout.dropped + stderr.dropped > 0
      }
    }
  }
}
