import { FileSystem } from "@effect/platform"
import { Effect, Option } from "effect"
import { BenchFailure } from "./BenchFailure.js"

// Linux tells processor time in hundredths of a second, whatever its own tick.
const tickMs = 10
const userTimeField = 11

const read = (pid: number, file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(`/proc/${pid}/${file}`)).pipe(
    Effect.mapError(() => new BenchFailure({ message: `process ${pid} is gone` }))
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

/** Memory of a process that is in RAM, in MiB. */
export const residentMB = (pid: number) =>
  Effect.map(read(pid, "status"), (status) =>
    Option.fromNullable(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]).pipe(
      Option.match({ onNone: () => Number.NaN, onSome: (kilobytes) => Number(kilobytes) / 1024 })
    )
  )
