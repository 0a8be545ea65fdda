import { FileSystem } from "@effect/platform"
import { Effect, Option } from "effect"
import * as ThisProcess from "./ThisProcess.js"

/** A process's start time in clock ticks: with it, a reused pid is not mistaken for its former owner. */
const startTimeOf = Effect.fn("HostInstance.startTimeOf")(function* (pid: number) {
  const fs = yield* FileSystem.FileSystem
  const stat = yield* Effect.option(fs.readFileString(`/proc/${pid}/stat`))
  return Option.flatMap(stat, (text) =>
    Option.fromNullable(text.slice(text.lastIndexOf(")") + 2).split(" ")[19])
  )
})

/** What the directories and cgroups of this host are named by: its process id and start time. */
export const name = Effect.map(startTimeOf(ThisProcess.pid), (startTime) =>
  [ThisProcess.pid, Option.getOrElse(startTime, () => "0")].join("-")
)

/** Whether the host runs whose directories and cgroups are named so. */
export const isAlive = Effect.fn("HostInstance.isAlive")(function* (instance: string) {
  const [pid, startTime] = instance.split("-")
  const actual = yield* startTimeOf(Number(pid))
  return Option.isSome(actual) && actual.value === startTime
})
