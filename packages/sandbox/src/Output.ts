import type { OutputSummary } from "@bulkhead/domain"
import { Deferred, Effect, Exit } from "effect"
import { HeadTail } from "./HeadTail.js"
import type { LimitValues } from "./Limits.js"

const encoder = new TextEncoder()

export interface CollectedOutput {
  readonly stdout: string
  readonly stderr: string
  readonly output: OutputSummary
}

/** Both streams of one program, in bounded memory, readable at any moment. */
export interface Output {
  readonly append: (stream: "stdout" | "stderr", text: string) => void
  readonly collected: () => CollectedOutput
  /** Completes when the program has written more than it may. */
  readonly flooded: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* (limits: LimitValues) {
  const flooded = yield* Deferred.make<void>()
  const half = Math.ceil(limits.maxOutputBytes / 2)
  const streams = { stdout: new HeadTail(half), stderr: new HeadTail(half) }
  const { stdout, stderr } = streams
  const output: Output = {
    append: (stream, text) => {
      streams[stream].append(encoder.encode(text))
      if (stdout.total + stderr.total > limits.hardOutputBytes) Deferred.unsafeDone(flooded, Exit.void)
    },
    collected: () => ({
      stdout: stdout.text,
      stderr: stderr.text,
      output: {
        stdoutBytes: stdout.total,
        stderrBytes: stderr.total,
        truncated: stdout.dropped + stderr.dropped > 0
      }
    }),
    flooded: Deferred.await(flooded)
  }
  return output
})
