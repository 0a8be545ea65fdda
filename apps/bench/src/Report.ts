import { Array as Arr, Option } from "effect"
import type * as AdmissionCost from "./AdmissionCost.js"
import type { Results } from "./Bench.js"
import * as ClusterCost from "./cluster/ClusterCost.js"
import type * as Fairness from "./Fairness.js"
import type { Measured } from "./Interleave.js"
import { type Latency, median, type Spread } from "./Measurement.js"
import type * as QueueMemory from "./QueueMemory.js"
import type * as RealSandboxes from "./RealSandboxes.js"
import * as ServiceOnMock from "./ServiceOnMock.js"

const widths = [20, 6, 12, 10, 10, 22, 16]

/** One line of a table. */
const line = (cells: ReadonlyArray<string>) =>
  cells
    .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
    .join("")
    .trimEnd()

/** One fact on a line of its own. */
const fact = (name: string, value: string) => `  ${name.padEnd(60)}${value}`

const spread = ({ least, median, most }: Spread, digits = 2) =>
  `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`

const latency = ({ p50, p99 }: Latency) => `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`

/** How a table shows its numbers: what the ratio is of, whose processor time it is, and digits after the point. */
interface Style {
  readonly ratio: string
  readonly cpu: string
  readonly cpuOf: (cpuMs: number) => string
  readonly digits: { readonly rate: number; readonly time: number; readonly ratio: number }
}

const ofReal: Style = {
  ratio: "of the bare rate",
  cpu: "server CPU ms",
  cpuOf: (cpuMs) => cpuMs.toFixed(1),
  digits: { rate: 1, time: 1, ratio: 2 }
}

const onMock: Style = {
  ratio: "of the direct rate",
  cpu: "process CPU µs",
  cpuOf: (cpuMs) => (cpuMs * 1000).toFixed(0),
  digits: { rate: 0, time: 3, ratio: 3 }
}

const ofServers: Style = { ...ofReal, ratio: "of the rate without" }

const ofPermits: Style = { ...ofReal, ratio: "of one replica's", digits: { rate: 0, time: 1, ratio: 2 } }

/** A table for each concurrency. */
const tables = (rows: ReadonlyArray<Measured>, { cpu, cpuOf, digits, ratio }: Style) => {
  const lineOf = (row: Measured) =>
    line([
      `  ${row.row}`,
      String(row.executions),
      row.perSecond.median.toFixed(digits.rate),
      row.p50.toFixed(digits.time),
      row.p99.toFixed(digits.time),
      spread(row.ratio, digits.ratio),
      row.cpuMs === undefined ? "" : cpuOf(row.cpuMs)
    ])
  if (!Arr.isNonEmptyReadonlyArray(rows)) return []
  return Arr.groupWith(rows, (one, other) => one.concurrency === other.concurrency).map((group) => [
    line([`${group[0].concurrency} at once`, "runs", "per second", "p50 ms", "p99 ms", ratio, cpu]),
    ...group.map(lineOf)
  ])
}

const forScale =
  "For scale, on two cores: bare process 160 a second, plain bubblewrap 107, runc run 46, gVisor 9."

const spawning =
  "A small Python process starts the first two rows and posts the requests: what a large process costs would count too."

const server = ({ hello, residentMB, startUps }: RealSandboxes.Costs) => {
  const middle = (values: ReadonlyArray<number>) => median(values).toFixed(0)
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

const timeouts = ({ timeouts: { atOnce, toDead, toTerm, toTermMet } }: RealSandboxes.Costs) => [
  "",
  `Timeouts of ${atOnce} programs at once that ignore SIGTERM`,
  fact("from the deadline to SIGTERM, by the receipt", latency(toTerm)),
  fact("from the deadline to SIGTERM, met by the program (±10 ms)", latency(toTermMet)),
  fact("from the end of the grace period to a dead tree", latency(toDead))
]

const sandboxes = (costs: RealSandboxes.Costs) => [
  ...costs.rows.map(({ how, name }) => `${name.padEnd(20)}${how}`),
  spawning,
  ...tables(costs.measured, ofReal).flatMap((table) => ["", ...table]),
  ...server(costs),
  ...timeouts(costs),
  forScale
]

const throughput = (rows: ReadonlyArray<Measured>) => [
  "",
  "The whole service beside its provider called directly, on mock sandboxes, in one process",
  ...tables(rows, onMock).flat()
]

const overhead = (rows: ReadonlyArray<Measured>) => [
  ...throughput(rows),
  fact("added to the median execution", `${ServiceOnMock.added(rows).toFixed(3)} ms`)
]

const queue = ({ bytesEach, queued, users }: typeof QueueMemory.Result.Type) => [
  "",
  "Queue",
  fact(`heap that each of ${queued} requests of ${users} users holds`, `${(bytesEach / 1000).toFixed(1)} KB`)
]

const admission = (costs: typeof AdmissionCost.Result.Type) => [
  "",
  "Admission: processor time to enter the queue, get a turn and leave",
  ...costs.map(({ micros, ratio, waiting }) =>
    fact(`with ${waiting} waiting`, `${spread(micros, 1)} µs, ${spread(ratio)} times the first`)
  )
]

/** Most frequent first. */
const outcomes = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .sort(([, one], [, other]) => other - one)
    .map(([outcome, count]) => `${outcome} ${count} times`)
    .join(", ")

const storm = ({ felt: { answers, death, health, kill }, fullQueues }: NonNullable<Results["storm"]>) => [
  "",
  `A storm of the worst requests, of ${Object.keys(answers).length} kinds`,
  fact("meanwhile, of /health", latency(health)),
  fact("from a kill to the program's death", latency(death)),
  fact("from a kill to the answer of its execution", latency(kill)),
  ...Object.entries(answers).map(([kind, counts]) => fact(`  ${kind}`, outcomes(counts))),
  ...fullQueues.map(({ heapMB, idleMB, mostMB, sent, waiting }) =>
    fact(
      `${sent} requests of 7 MB, ${Option.match(heapMB, { onNone: () => "default heap", onSome: (size) => `heap of ${size} MiB` })}`,
      `${waiting} wait; ${(mostMB - idleMB).toFixed(0)} MiB over idle (${idleMB.toFixed(0)})`
    )
  )
]

const newcomers = ({ asked, fresh, kept, perSecond }: NonNullable<Results["newcomers"]>) => [
  "",
  `${asked} executions a second, each over a connection of its own`,
  fact("run a second", perSecond.toFixed(1)),
  fact("meanwhile, of /health over a fresh connection", latency(fresh)),
  fact("the same over a kept connection", latency(kept))
]

const stream = ({ late, lines, programs, streams }: NonNullable<Results["stream"]>) => [
  "",
  `Output of ${programs} programs that write all the time, read in ${streams} streams`,
  fact(`from a program's write to its reader, ${lines} lines`, latency(late))
]

const images = ({ imageMs, pairs, plainMs, ratio }: NonNullable<Results["images"]>) => [
  "",
  `A sandbox and its first command, plain and on an image, ${pairs} times in pairs`,
  fact("plain", `${spread(plainMs)} ms`),
  fact("on an image", `${spread(imageMs)} ms`),
  fact("on an image over plain", spread(ratio, 3))
]

const uploads = ({ atOnce, fileMB, idleMB, mostMB, rounds, seconds }: NonNullable<Results["uploads"]>) => [
  "",
  `Forms with a file of ${fileMB} MB, ${atOnce} at once, ${rounds} times`,
  fact(
    "the server's memory, the embedded host included",
    `${(mostMB - idleMB).toFixed(0)} MiB over idle (${idleMB.toFixed(0)})`
  ),
  fact("until all of them have run", `${seconds.toFixed(1)} s`)
]

const cluster = (costs: ClusterCost.Costs) => [
  "",
  "Executions by servers on one PostgreSQL",
  ...tables(costs.executions, ofServers).flat(),
  ...ClusterCost.added(costs).map(({ ms, row }) =>
    fact(`added to the median execution by the cluster, ${row}`, `${ms.toFixed(1)} ms`)
  ),
  "",
  "Admissions by replicas, each a process, on the same PostgreSQL, so many at once at each",
  ...tables(costs.permits, ofPermits).flat()
]

const waits = ({ noisyQueued, turns, waitMs }: Fairness.Waits) =>
  fact(
    `another user with ${noisyQueued} requests in the queue`,
    `${spread(turns, 0)} turns, ${spread(waitMs, 0)} ms`
  )

const fairness = ({ alone, beside, programMs }: typeof Fairness.Result.Type) => [
  "",
  `A user's wait for the only place, where each program takes ${programMs} ms`,
  waits(alone),
  waits(beside)
]

const versus = (what: string, ours: string, theirs: string, ratio: string) =>
  `  ${what.padEnd(56)}${ours.padStart(24)}${theirs.padStart(24)}${ratio.padStart(20)}`

const against = ({ directory, numbers }: NonNullable<Results["against"]>) => [
  "",
  `Ours beside theirs (${directory}), in the same rounds`,
  versus("", "ours", "theirs", "ours to theirs"),
  ...numbers.map(({ ours, ratio, theirs, what }) => versus(what, spread(ours), spread(theirs), spread(ratio)))
]

const machine = ({ loadAfter, machine: { cores, kernel, load, node, processor } }: Results) => {
  const loads = (values: ReadonlyArray<number>) => values.map((value) => value.toFixed(2)).join(" ")
  return [
    "",
    `Machine: ${cores} cores (${processor}), Linux ${kernel}, Node ${node}`,
    `Load average: ${loads(load)} before, ${loads(loadAfter)} after`
  ]
}

const when = <A>(found: A | undefined, lines: (found: A) => ReadonlyArray<string>) =>
  found === undefined ? [] : lines(found)

/** What a run found, for people. */
export const render = (results: Results): string =>
  [
    ...when(results.sandboxes, sandboxes),
    ...when(results.images, images),
    ...when(results.storm, storm),
    ...when(results.newcomers, newcomers),
    ...when(results.stream, stream),
    ...when(results.uploads, uploads),
    ...when(results.cluster, cluster),
    ...when(results.throughput, throughput),
    ...when(results.overhead, overhead),
    ...when(results.queue, queue),
    ...when(results.admission, admission),
    ...when(results.fairness, fairness),
    ...when(results.against, against),
    ...machine(results)
  ].join("\n")
