import * as NodeFs from "node:fs/promises"
import { FileSystem } from "@effect/platform"
import { Effect, Schedule } from "effect"
import * as HostInstance from "../HostInstance.js"

/** The directory of each hierarchy that all hosts share. */
const SHARED = "bulkhead"

// An ending process keeps its cgroup busy for some milliseconds.
const removal = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(100))

/** Removes an empty cgroup. */
export const remove = (directory: string) =>
  Effect.tryPromise({
    try: () => NodeFs.rmdir(directory),
    catch: (error) => error as NodeJS.ErrnoException
  }).pipe(Effect.retry({ schedule: removal, while: ({ code }) => code === "EBUSY" }), Effect.ignore)

/** Kills what a dead host has left running in a cgroup. */
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

/** Removes a cgroup with all below it, and whatever still runs in them. */
const removeTree = (directory: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const names = yield* Effect.tryPromise(() => NodeFs.readdir(directory, { withFileTypes: true })).pipe(
      Effect.orElseSucceed(() => [])
    )
    const below = names.filter((entry) => entry.isDirectory()).map(({ name }) => `${directory}/${name}`)
    yield* endProcesses(directory)
    yield* Effect.forEach(below, removeTree, { concurrency: "unbounded", discard: true })
    yield* remove(directory)
  })

/** Removes the cgroups of these sandboxes in a host's directory, and whatever still runs in them. */
export const removeAll = Effect.fn("HostSubtree.removeAll")((directory: string, ids: ReadonlyArray<number>) =>
  Effect.forEach(ids, (id) => removeTree(`${directory}/${id}`), { concurrency: "unbounded", discard: true })
)

/** The pid namespace: only hosts in the same one can tell by a pid whether the other runs. */
export const pidNamespace = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const link = yield* Effect.orElseSucceed(fs.readLink("/proc/self/ns/pid"), () => "")
  return link.replaceAll(/\D/g, "")
})

const reapDead = Effect.fn("HostSubtree.reapDead")(function* (shared: string, namespace: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(shared), () => [])
  const ours = names.filter((name) => /^\d+-\d+-/.test(name) && name.split("-")[2] === namespace)
  const dead = yield* Effect.filter(ours, (name) => Effect.map(HostInstance.isAlive(name), (alive) => !alive))
  yield* Effect.forEach(dead, (name) => removeTree(`${shared}/${name}`), {
    concurrency: "unbounded",
    discard: true
  })
})

/** Makes this host's directory of a hierarchy, and removes those of dead hosts beside it. */
export const make = Effect.fn("HostSubtree.make")(function* (
  directory: string,
  name: string,
  namespace: string
) {
  const fs = yield* FileSystem.FileSystem
  const shared = `${directory}/${SHARED}`
  yield* fs.makeDirectory(shared, { recursive: true, mode: 0o755 })
  yield* reapDead(shared, namespace)
  yield* Effect.acquireRelease(fs.makeDirectory(`${shared}/${name}`, { mode: 0o755 }), () =>
    removeTree(`${shared}/${name}`)
  )
  return { shared, own: `${shared}/${name}` }
})
