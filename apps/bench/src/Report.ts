import type { Results } from "./Bench.js"
import * as SandboxReport from "./SandboxReport.js"
import * as ServiceReport from "./ServiceReport.js"

const machine = ({ loadAfter, machine: { cores, kernel, load, node, processor } }: Results) => [
  "",
  `Machine: ${cores} cores (${processor}), Linux ${kernel}, Node ${node}`,
  `Load average: ${load.map((value) => value.toFixed(2)).join(" ")} before, ${loadAfter.map((value) => value.toFixed(2)).join(" ")} after`
]

/** What a run found, for people. */
export const render = (results: Results): string =>
  [
    ...(results.sandboxes === undefined ? [] : SandboxReport.lines(results.sandboxes)),
    ...ServiceReport.lines(results),
    ...machine(results)
  ].join("\n")
