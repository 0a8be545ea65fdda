import type { Measured } from "./Comparison.js"
import * as Layout from "./Layout.js"
import type { SandboxCosts } from "./SandboxCosts.js"
import * as Statistics from "./Statistics.js"

const forScale =
  "For scale, on two cores: bare process 160 a second, plain bubblewrap 107, runc run 46, gVisor 9."

const spawning =
  "A small perl process starts the first two rows with fork and exec, and asks for the last, since what a large process costs would count too."

const header = (concurrency: number) =>
  Layout.row([
    `${concurrency} at once`,
    "runs",
    "per second",
    "p50 ms",
    "p99 ms",
    "of the bare rate",
    "server CPU ms"
  ])

const measured = (row: Measured) =>
  Layout.row([
    `  ${row.row}`,
    String(row.executions),
    row.perSecond.median.toFixed(1),
    row.p50.toFixed(1),
    row.p99.toFixed(1),
    Layout.spread(row.ratio),
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

const server = ({ hello, residentMB, startUps }: SandboxCosts) => {
  const middle = (values: ReadonlyArray<number>) => Statistics.median(values).toFixed(0)
  return [
    "",
    "Server",
    Layout.fact(
      "from its start to the first 200 of /health",
      `${middle(startUps.map((s) => s.healthyMs))} ms`
    ),
    Layout.fact(
      "from its start to the first execution's result",
      `${middle(startUps.map((s) => s.firstExecutionMs))} ms`
    ),
    Layout.fact('warm print("Hello, World!"), one at a time', Layout.latency(hello)),
    Layout.fact("memory when idle", `${middle(startUps.map((s) => s.residentMB))} MiB`),
    Layout.fact("memory after the bench", `${residentMB.toFixed(0)} MiB`)
  ]
}

const timeouts = ({ timeouts: { atOnce, toDead, toTerm, toTermMet } }: SandboxCosts) => [
  "",
  `Timeouts of ${atOnce} programs at once that ignore SIGTERM`,
  Layout.fact("from the deadline to SIGTERM, by the receipt", Layout.latency(toTerm)),
  Layout.fact("from the deadline to SIGTERM, met by the program (±10 ms)", Layout.latency(toTermMet)),
  Layout.fact("from the end of the grace period to a dead tree", Layout.latency(toDead))
]

/** What real sandboxes cost, line by line. */
export const lines = (costs: SandboxCosts): ReadonlyArray<string> => [
  ...costs.rows.map(({ how, name }) => `${name.padEnd(20)}${how}`),
  spawning,
  ...comparison(costs.measured),
  ...server(costs),
  ...timeouts(costs),
  forScale
]
