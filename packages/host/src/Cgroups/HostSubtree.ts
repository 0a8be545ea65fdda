import * as NodeFs from "node:fs/promises"
import { FileSystem } from "@effect/platform"
import { Effect, Schedule } from "effect"
import * as HostInstance from "../HostInstance.js"

/** The room below each hierarchy that all hosts share. */
const ROOM = "bulkhead"

// A process that is about to end holds its cgroup for some milliseconds more.
const removal = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(100))

/** Removes an empty cgroup. */
export const remove = (directory: string) =>
  Effect.tryPromise({
    try: () => NodeFs.rmdir(directory),
    catch: (error) => error as NodeJS.ErrnoException
  }).pipe(Effect.retry({ schedule: removal, while: ({ code }) => code === "EBUSY" }), Effect.ignore)

/** Whatever a host that died has left running in a cgroup. */
const endProcesses = Effect.fn("HostSubtree.endProcesses")(function* (directory: string) {
  const processes = yield* Effect.tryPromise(() => NodeFs.readFile(`${directory}/cgroup.procs`, "utf8")).pipe(
    Effect.orElseSucceed(() => "")
  )
  yield* Effect.forEach(
    processes.split("\n").map(Number).filter(Boolean),
    (pid) => Effect.ignore(Effect.try(() => process.kill(pid, "SIGKILL"))),
    { discard: true }
  )
})

/** Removes an instance's cgroups, with whatever still runs in them. */
const removeInstance = Effect.fn("HostSubtree.removeInstance")(function* (directory: string) {
  const names = yield* Effect.tryPromise(() => NodeFs.readdir(directory, { withFileTypes: true })).pipe(
    Effect.orElseSucceed(() => [])
  )
  const below = names.filter((entry) => entry.isDirectory()).map(({ name }) => `${directory}/${name}`)
  yield* Effect.forEach(below, (cgroup) => Effect.zipRight(endProcesses(cgroup), remove(cgroup)), {
    concurrency: "unbounded",
    discard: true
  })
  yield* remove(directory)
})

/** Process ids in names are only comparable among those who see the same ones. */
export const pidNamespace = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const link = yield* Effect.orElseSucceed(fs.readLink("/proc/self/ns/pid"), () => "")
  return link.replaceAll(/\D/g, "")
})

const reapDead = Effect.fn("HostSubtree.reapDead")(function* (room: string, namespace: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(room), () => [])
  const ours = names.filter((name) => /^\d+-\d+-/.test(name) && name.split("-")[2] === namespace)
  const dead = yield* Effect.filter(ours, (name) => Effect.map(HostInstance.isAlive(name), (alive) => !alive))
  yield* Effect.forEach(dead, (name) => removeInstance(`${room}/${name}`), {
    concurrency: "unbounded",
    discard: true
  })
})

/** The instance's own room in one directory, with the dead instances beside it removed. */
export const make = Effect.fn("HostSubtree.make")(function* (
  directory: string,
  name: string,
  namespace: string
) {
  const fs = yield* FileSystem.FileSystem
  const room = `${directory}/${ROOM}`
  yield* fs.makeDirectory(room, { recursive: true, mode: 0o755 })
  yield* reapDead(room, namespace)
  yield* Effect.acquireRelease(fs.makeDirectory(`${room}/${name}`, { mode: 0o755 }), () =>
    removeInstance(`${room}/${name}`)
  )
  return { room, instance: `${room}/${name}` }
})
