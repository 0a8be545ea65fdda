import { Array as Arr, type Duration, Effect, Number as Num, Schema } from "effect"
import { type Block, Latency, latency, type Row, Spread, spread } from "./Measurement.js"

/** One row's place in the plan. */
export interface Turn<A> {
  readonly row: A
  readonly concurrency: number
  readonly round: number
}

/** A turn and what came of it. */
export interface Sample extends Turn<Row> {
  readonly block: Block
}

const rotate = <A>(values: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const at = values.length === 0 ? 0 : by % values.length
  return [...values.slice(at), ...values.slice(0, at)]
}

/** At each concurrency rows take turns: what disturbs the machine disturbs all. Each round begins with another row. */
export const plan = <A>(
  rows: ReadonlyArray<A>,
  concurrencies: ReadonlyArray<number>,
  rounds: number
): ReadonlyArray<Turn<A>> =>
  Array.from({ length: rounds }, (_, round) =>
    concurrencies.flatMap((concurrency) => rotate(rows, round).map((row) => ({ row, concurrency, round })))
  ).flat()

/** A server that runs all day has its code compiled: short runs would measure the compiler. */
export const warmUp = (rows: ReadonlyArray<Row>, concurrency: number, duration: Duration.Duration) =>
  Effect.forEach(
    rows.filter(({ isSteady }) => isSteady !== true),
    (row) => row.run(concurrency, duration),
    { discard: true }
  )

/** Takes every turn of the plan, one after the other. */
export const run = (
  rows: ReadonlyArray<Row>,
  concurrencies: ReadonlyArray<number>,
  rounds: number,
  duration: Duration.Duration
) =>
  Effect.forEach(plan(rows, concurrencies, rounds), (turn) =>
    Effect.map(turn.row.run(turn.concurrency, duration), (block): Sample => ({ ...turn, block }))
  )

/** How one row did at one concurrency, over all rounds. */
export const Measured = Schema.Struct({
  ...Latency.fields,
  row: Schema.String,
  concurrency: Schema.Number,
  executions: Schema.Number,
  perSecond: Spread,
  /** Each round's rate over the rate that the base had in the same round. */
  ratio: Spread,
  /** Processor milliseconds that the process under test itself used for each execution. */
  cpuMs: Schema.optionalWith(Schema.Number, { exact: true })
})
export type Measured = typeof Measured.Type

const rate = ({ latencies, wallMs }: Block) => (latencies.length / wallMs) * 1000

const of = (samples: ReadonlyArray<Sample>, name: string, concurrency: number) =>
  samples.filter((sample) => sample.row.name === name && sample.concurrency === concurrency)

/** Executions a second of one row at one concurrency, round by round. */
export const rates = (samples: ReadonlyArray<Sample>, row: string, concurrency: number) =>
  of(samples, row, concurrency).map(({ block }) => rate(block))

/** Each value of the first over the one of the same round in the second. */
export const ratios = (values: ReadonlyArray<number>, bases: ReadonlyArray<number>): ReadonlyArray<number> =>
  Arr.zipWith(values, bases, (value, base) => value / base)

const cpuPerExecution = (blocks: ReadonlyArray<Block>, executions: number) => {
  const used = blocks.flatMap(({ cpuMs }) => (cpuMs === undefined ? [] : [cpuMs]))
  return used.length === 0 ? {} : { cpuMs: Num.sumAll(used) / executions }
}

/** Compares each row with the one that is the base, round by round, at the same concurrency. */
export const compare = (samples: ReadonlyArray<Sample>, base: string): ReadonlyArray<Measured> => {
  const concurrencies = Arr.dedupe(samples.map(({ concurrency }) => concurrency))
  const rows = Arr.dedupe(samples.map(({ row }) => row.name))
  const measured = (row: string, concurrency: number): Measured => {
    const blocks = of(samples, row, concurrency).map(({ block }) => block)
    const latencies = blocks.flatMap((block) => block.latencies)
    const perSecond = rates(samples, row, concurrency)
    return {
      row,
      concurrency,
      executions: latencies.length,
      perSecond: spread(perSecond),
      ratio: spread(ratios(perSecond, rates(samples, base, concurrency))),
      ...latency(latencies),
      ...cpuPerExecution(blocks, latencies.length)
    }
  }
  return concurrencies.flatMap((concurrency) => rows.map((row) => measured(row, concurrency)))
}

/** A number of ours beside the same number of another checkout, measured in the same rounds. */
export interface Versus {
  /** For people. */
  readonly what: string
  readonly ours: Spread
  readonly theirs: Spread
  /** Ours over theirs in each round. */
  readonly ratio: Spread
}

/** Compares two numbers of each round. */
export const versus = (what: string, ours: ReadonlyArray<number>, theirs: ReadonlyArray<number>): Versus => ({
  what,
  ours: spread(ours),
  theirs: spread(theirs),
  ratio: spread(ratios(ours, theirs))
})
