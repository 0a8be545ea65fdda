import type { Duration, Effect } from "effect"
import type { BenchFailure } from "./BenchFailure.js"

/** What one row did in one turn. Every time is in milliseconds. */
export interface Block {
  /** Of each execution, in no order. */
  readonly latencies: ReadonlyArray<number>
  /** From the first start to the last end. */
  readonly wallMs: number
  /** Processor time that the process under test itself used. */
  readonly cpuMs?: number
}

/** One way to run the program, measured beside the others. */
export interface Row {
  readonly name: string
  /** How it runs, for people. */
  readonly how: string
  /** Nothing of it is compiled while it runs, so that it needs no warming. */
  readonly isSteady?: true
  /** Executes again and again, so many at once, for about so long; checks every answer. */
  readonly run: (concurrency: number, duration: Duration.Duration) => Effect.Effect<Block, BenchFailure>
}
