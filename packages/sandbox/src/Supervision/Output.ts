import type { OutputSummary } from "@bulkhead/domain"
import type { LimitValues } from "../Limits.js"
import { HeadTail } from "./HeadTail.js"

const encoder = new TextEncoder()

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
  private readonly limits: LimitValues
  private readonly onFlood: () => void

  /** Calls `onFlood` each time the program has written more than it may. */
  constructor(limits: LimitValues, onFlood: () => void) {
    const half = Math.ceil(limits.maxOutputBytes / 2) + supervisorMargin
    this.streams = { stdout: new HeadTail(half), stderr: new HeadTail(half) }
    this.limits = limits
    this.onFlood = onFlood
  }

  append(stream: "stdout" | "stderr", text: string): void {
    const { stdout, stderr } = this.streams
    this.streams[stream].append(encoder.encode(text))
    if (stdout.total + stderr.total > this.limits.hardOutputBytes) this.onFlood()
  }

  get collected(): CollectedOutput {
    const { stdout, stderr } = this.streams
    return {
      stdout: stdout.text,
      stderr: stderr.text,
      output: {
        stdoutBytes: stdout.total,
        stderrBytes: stderr.total,
        truncated: stdout.dropped + stderr.dropped > 0
      }
    }
  }
}
