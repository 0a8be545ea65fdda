import { Array as Arr, type Duration, type Effect, Order, Schema } from "effect"

/** Something did not do what it is measured doing, so that no number can be given. */
export class MeasurementFailure extends Schema.TaggedError<MeasurementFailure>()("MeasurementFailure", {
  message: Schema.String
}) {}

/** What one row did in one turn. Every time is in milliseconds. */
export interface Block {
  /** Of each execution, in no order. */
  readonly latencies: ReadonlyArray<number>
  /** From the first start to the last end. */
  readonly wallMs: number
  /** Processor time that the process under test itself used. */
  readonly cpuMs?: number
}

/** One way to run a program, measured beside the others. */
export interface Row {
  readonly name: string
  /** How it runs, for people. */
  readonly how: string
  /** Nothing of it is compiled while it runs, so that it needs no warming. */
  readonly isSteady?: true
  /** Executes again and again, so many at once, for about so long; checks every answer. */
  readonly run: (concurrency: number, duration: Duration.Duration) => Effect.Effect<Block, MeasurementFailure>
}

const ascending = Arr.sort(Order.number)

/** The smallest value that at least this fraction of all values does not exceed; NaN of no values. */
export const percentile = (values: ReadonlyArray<number>, fraction: number): number => {
  const rank = Math.max(1, Math.ceil(values.length * fraction))
  return ascending(values)[rank - 1] ?? Number.NaN
}

/** The value in the middle, or the mean of the two there; NaN of no values. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = ascending(values)
  const half = sorted.length / 2
  const low = sorted[Math.ceil(half) - 1] ?? Number.NaN
  const high = sorted[Math.floor(half)] ?? Number.NaN
  return (low + high) / 2
}

/** A median, and how far the values lie from it. */
export const Spread = Schema.Struct({
  median: Schema.Number,
  least: Schema.Number,
  most: Schema.Number
})
export type Spread = typeof Spread.Type

export const spread = (values: ReadonlyArray<number>): Spread => ({
  median: median(values),
  least: Math.min(...values),
  most: Math.max(...values)
})

/** The two ends of a latency's distribution that people feel; milliseconds. */
export const Latency = Schema.Struct({ p50: Schema.Number, p99: Schema.Number })
export type Latency = typeof Latency.Type

export const latency = (values: ReadonlyArray<number>): Latency => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99)
})
