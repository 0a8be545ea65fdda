import type * as AdmissionCost from "./AdmissionCost.js"
import type { Results } from "./Bench.js"
import type { Measured } from "./Comparison.js"
import * as Layout from "./Layout.js"
import type * as NoisyUser from "./NoisyUser.js"
import * as Overhead from "./Overhead.js"
import type * as QueueMemory from "./QueueMemory.js"

const header = (concurrency: number) =>
  Layout.row([
    `${concurrency} at once`,
    "runs",
    "per second",
    "p50 ms",
    "p99 ms",
    "of the direct rate",
    "process CPU µs"
  ])

const measured = (row: Measured) =>
  Layout.row([
    `  ${row.row}`,
    String(row.executions),
    row.perSecond.median.toFixed(0),
    row.p50.toFixed(3),
    row.p99.toFixed(3),
    Layout.spread(row.ratio, 3),
    row.cpuMs === undefined ? "" : (row.cpuMs * 1000).toFixed(0)
  ])

const beside = (rows: ReadonlyArray<Measured>) => [
  "",
  "The whole service beside its provider called directly, on mock sandboxes, in one process",
  header(rows[0]?.concurrency ?? 0),
  ...rows.map(measured)
]

const overhead = (rows: ReadonlyArray<Measured>) => [
  ...beside(rows),
  Layout.fact("added to the median execution", `${Overhead.added(rows).toFixed(3)} ms`)
]

const queue = ({ bytesEach, queued, users }: typeof QueueMemory.Result.Type) => [
  "",
  "Queue",
  Layout.fact(
    `heap that each of ${queued} requests of ${users} users holds`,
    `${(bytesEach / 1000).toFixed(1)} KB`
  )
]

const admission = (costs: typeof AdmissionCost.Result.Type) => [
  "",
  "Admission: processor time to enter the queue, get a turn and leave",
  ...costs.map(({ micros, ratio, waiting }) =>
    Layout.fact(
      `with ${waiting} waiting`,
      `${Layout.spread(micros, 1)} µs, ${Layout.spread(ratio)} times the first`
    )
  )
]

const waits = ({ noisyQueued, turns, waitMs }: (typeof NoisyUser.Result.Type)["alone"]) =>
  Layout.fact(
    `another user with ${noisyQueued} requests in the queue`,
    `${Layout.spread(turns, 0)} turns, ${Layout.spread(waitMs, 0)} ms`
  )

const fairness = ({ alone, beside, programMs }: typeof NoisyUser.Result.Type) => [
  "",
  `A user's wait for the only place, where each program takes ${programMs} ms`,
  waits(alone),
  waits(beside)
]

const when = <A>(found: A | undefined, lines: (found: A) => ReadonlyArray<string>) =>
  found === undefined ? [] : lines(found)

/** What the service costs without any real sandbox, line by line. */
export const lines = (results: Results): ReadonlyArray<string> => [
  ...when(results.throughput, beside),
  ...when(results.overhead, overhead),
  ...when(results.queue, queue),
  ...when(results.admission, admission),
  ...when(results.fairness, fairness)
]
