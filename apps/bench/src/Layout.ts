import type * as Statistics from "./Statistics.js"

const widths = [20, 6, 12, 10, 10, 22, 16]

/** One line of a table. */
export const row = (cells: ReadonlyArray<string>): string =>
  cells
    .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
    .join("")
    .trimEnd()

/** One fact on a line of its own. */
export const fact = (name: string, value: string): string => `  ${name.padEnd(60)}${value}`

export const spread = ({ least, median, most }: Statistics.Spread, digits = 2): string =>
  `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`

export const latency = ({ p50, p99 }: Statistics.Latency): string =>
  `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`
