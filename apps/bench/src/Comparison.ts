import { Schema } from "effect"
import type { Sample } from "./Interleave.js"
import type { Block } from "./Row.js"
import * as Statistics from "./Statistics.js"

/** How one row did at one concurrency, over all rounds. */
export const Measured = Schema.Struct({
  ...Statistics.Latency.fields,
  row: Schema.String,
  concurrency: Schema.Number,
  executions: Schema.Number,
  perSecond: Statistics.Spread,
  /** Each round's rate over the rate that the first row had in the same round. */
  ratio: Statistics.Spread,
  /** Processor milliseconds that the process under test itself used for each execution. */
  cpuMs: Schema.optionalWith(Schema.Number, { exact: true })
})
export type Measured = typeof Measured.Type

const rate = ({ latencies, wallMs }: Block) => (latencies.length / wallMs) * 1000

const cpuPerExecution = (blocks: ReadonlyArray<Block>, executions: number) => {
  const used = blocks.flatMap(({ cpuMs }) => (cpuMs === undefined ? [] : [cpuMs]))
  return used.length === 0 ? {} : { cpuMs: Statistics.sum(used) / executions }
}

const measure = (
  row: string,
  concurrency: number,
  samples: ReadonlyArray<Sample>,
  bareRate: (round: number) => number
): Measured => {
  const blocks = samples.map(({ block }) => block)
  const latencies = blocks.flatMap((block) => block.latencies)
  return {
    row,
    concurrency,
    executions: latencies.length,
    perSecond: Statistics.spread(blocks.map(rate)),
    ratio: Statistics.spread(samples.map(({ block, round }) => rate(block) / bareRate(round))),
    ...Statistics.latency(latencies),
    ...cpuPerExecution(blocks, latencies.length)
  }
}

/** Compares each row with the bare one, round by round, at the same concurrency. */
export const compare = (samples: ReadonlyArray<Sample>, bare: string): ReadonlyArray<Measured> => {
  const concurrencies = [...new Set(samples.map(({ concurrency }) => concurrency))]
  const rows = [...new Set(samples.map(({ row }) => row.name))]
  return concurrencies.flatMap((concurrency) => {
    const of = (name: string) =>
      samples.filter(({ row, concurrency: at }) => row.name === name && at === concurrency)
    const bareRates = new Map(of(bare).map(({ round, block }) => [round, rate(block)]))
    return rows.map((name) =>
      measure(name, concurrency, of(name), (round) => bareRates.get(round) ?? Number.NaN)
    )
  })
}
