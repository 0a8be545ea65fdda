import * as OperatingSystem from "node:os"
import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { type Block, MeasurementFailure } from "./Measurement.js"

/** Where the numbers come from. */
export interface Facts {
  readonly cores: number
  readonly processor: string
  readonly kernel: string
  readonly node: string
  /** Of the last minute, five and fifteen. */
  readonly load: ReadonlyArray<number>
}

export const facts: Effect.Effect<Facts> = Effect.sync(() => ({
  cores: OperatingSystem.cpus().length,
  processor: OperatingSystem.cpus()[0]?.model.trim() ?? "unknown",
  kernel: OperatingSystem.release(),
  node: process.versions.node,
  load: OperatingSystem.loadavg()
}))

// Linux tells processor time in hundredths of a second, whatever its own tick.
const tickMs = 10
const userTimeField = 11

const read = (pid: number, file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(`/proc/${pid}/${file}`)).pipe(
    Effect.mapError(() => new MeasurementFailure({ message: `process ${pid} is gone` }))
  )

/** Milliseconds of processor time that a process itself has used so far, to 10 ms. */
export const cpuMs = (pid: number) =>
  Effect.map(read(pid, "stat"), (stat) => {
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[userTimeField]) + Number(fields[userTimeField + 1])) * tickMs
  })

/** Milliseconds of processor time that this process has used so far. */
export const ownCpuMs: Effect.Effect<number> = Effect.sync(() => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1000
})

/** Adds to a block the processor time that was used meanwhile. */
export const withCpuMs = <E, R, E2, R2>(
  block: Effect.Effect<Block, E, R>,
  cpuMs: Effect.Effect<number, E2, R2>
) =>
  Effect.gen(function* () {
    const before = yield* cpuMs
    const done = yield* block
    return { ...done, cpuMs: (yield* cpuMs) - before } satisfies Block
  })

/** Memory of a process that is in RAM, in MiB. */
export const residentMB = (pid: number) =>
  Effect.map(read(pid, "status"), (status) => {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? []
    return Number(kilobytes) / 1024
  })

/** Collects garbage; needs a process with `--expose-gc`. */
export const collectGarbage = Effect.suspend(() => {
  if (globalThis.gc === undefined)
    return new MeasurementFailure({ message: "node was started without --expose-gc" })
  globalThis.gc()
  return Effect.void
})

/** Bytes of this process's heap that are in use once garbage is collected. */
export const heldBytes = Effect.map(collectGarbage, () => process.memoryUsage().heapUsed)
