import type { Results } from "./Bench.js"
import type { Measured } from "./Comparison.js"
import * as Statistics from "./Statistics.js"

const forScale =
  "For scale, on two cores: bare process 160 a second, plain bubblewrap 107, runc run 46, gVisor 9."

const spawning =
  "The first two rows are started by a small perl process with fork and exec, since a large process forks slowly."

const widths = [20, 6, 12, 10, 10, 22, 14]

const line = (cells: ReadonlyArray<string>) =>
  cells
    .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
    .join("")
    .trimEnd()

const spread = ({ least, median, most }: Statistics.Spread) =>
  `${median.toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`

const header = (concurrency: number) =>
  line([
    `${concurrency} at once`,
    "runs",
    "per second",
    "p50 ms",
    "p99 ms",
    "of the bare rate",
    "server CPU ms"
  ])

const measured = (row: Measured) =>
  line([
    `  ${row.row}`,
    String(row.executions),
    row.perSecond.median.toFixed(1),
    row.p50.toFixed(1),
    row.p99.toFixed(1),
    spread(row.ratio),
    row.cpuMs === undefined ? "" : row.cpuMs.toFixed(1)
  ])

const comparison = (rows: ReadonlyArray<Measured>) => {
  const concurrencies = [...new Set(rows.map(({ concurrency }) => concurrency))]
  return concurrencies.flatMap((concurrency) => [
    "",
    header(concurrency),
    ...rows.filter((row) => row.concurrency === concurrency).map(measured)
  ])
}

const fact = (name: string, value: string) => `  ${name.padEnd(60)}${value}`

const latency = ({ p50, p99 }: Statistics.Latency) => `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`

const server = ({ hello, residentMB, startUps }: Results) => {
  const middle = (values: ReadonlyArray<number>) => Statistics.median(values).toFixed(0)
  return [
    "",
    "Server",
    fact("from its start to the first 200 of /health", `${middle(startUps.map((s) => s.healthyMs))} ms`),
    fact(
      "from its start to the first execution's result",
      `${middle(startUps.map((s) => s.firstExecutionMs))} ms`
    ),
    fact('warm print("Hello, World!"), one at a time', latency(hello)),
    fact("memory when idle", `${middle(startUps.map((s) => s.residentMB))} MiB`),
    fact("memory after the bench", `${residentMB.toFixed(0)} MiB`)
  ]
}

const timeouts = ({ timeouts: { atOnce, toDead, toTerm, toTermMet } }: Results) => [
  "",
  `Timeouts of ${atOnce} programs at once that ignore SIGTERM`,
  fact("from the deadline to SIGTERM, by the receipt", latency(toTerm)),
  fact("from the deadline to SIGTERM, met by the program (±10 ms)", latency(toTermMet)),
  fact("from the end of the grace period to a dead tree", latency(toDead))
]

const machine = ({ loadAfter, machine: { cores, kernel, load, node, processor } }: Results) => [
  "",
  `Machine: ${cores} cores (${processor}), Linux ${kernel}, Node ${node}`,
  `Load average: ${load.map((value) => value.toFixed(2)).join(" ")} before, ${loadAfter.map((value) => value.toFixed(2)).join(" ")} after`
]

/** What a run found, for people. */
export const render = (results: Results): string =>
  [
    ...results.rows.map(({ how, name }) => `${name.padEnd(20)}${how}`),
    spawning,
    ...comparison(results.measured),
    ...server(results),
    ...timeouts(results),
    ...machine(results),
    forScale
  ].join("\n")
