import * as NodeFs from "node:fs/promises"
import { Command, FileSystem } from "@effect/platform"
import { Effect, Option, Schedule, type Scope } from "effect"
import * as CgroupV1 from "./CgroupV1.js"
import * as CgroupV2 from "./CgroupV2.js"
import { CgroupsUnusable } from "./HostErrors.js"
import * as Instance from "./Instance.js"
import * as Secrets from "./Secrets.js"
import * as ThisProcess from "./ThisProcess.js"

/** What a sandbox as a whole may use. */
export interface Caps {
  /** Bytes; there is no swap beside it. */
  readonly memoryBytes: number
  /** Processors, in parts of one. */
  readonly processors: number
  /** Processes and threads. */
  readonly processes: number
}

/** A directory in which every sandbox gets a cgroup of its own. */
export interface Hierarchy {
  readonly parent: string
  /** The file that takes in the process that writes 0 to it. */
  readonly join: "tasks" | "cgroup.procs"
  /** Where the sandbox can read its cgroup; empty: nowhere. */
  readonly place: string
  readonly settings: ReadonlyArray<readonly [file: string, value: string]>
}

/** What a sandbox has used. */
export interface CgroupUsage {
  readonly cpuMicros: number
  readonly memoryBytes: number
  /** Of the memory, what the kernel could give back: files it has read. */
  readonly cacheBytes: number
}

/** The cgroups of one host's sandboxes. */
export interface Cgroups {
  readonly kind: "cgroup v1" | "cgroup v2"
  readonly hierarchies: ReadonlyArray<Hierarchy>
  /** Reads what the sandbox of this number uses. */
  readonly usage: (id: number) => Effect.Effect<Option.Option<CgroupUsage>>
}

/** What is known of the machine's cgroups. */
export interface Surroundings {
  /** The text of /proc/self/mountinfo. */
  readonly mounts: string
  /** The text of /proc/self/cgroup. */
  readonly own: string
  readonly isRoot: boolean
}

/** The room below each hierarchy that all hosts share. */
const ROOM = "bulkhead"

// A process that is about to end holds its cgroup for some milliseconds more.
const removal = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(100))

const remove = (directory: string) =>
  Effect.tryPromise({
    try: () => NodeFs.rmdir(directory),
    catch: (error) => error as NodeJS.ErrnoException
  }).pipe(Effect.retry({ schedule: removal, while: ({ code }) => code === "EBUSY" }), Effect.ignore)

/** Whatever a host that died has left running in a cgroup. */
const endProcesses = Effect.fn("Cgroups.endProcesses")(function* (directory: string) {
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
const removeInstance = Effect.fn("Cgroups.removeInstance")(function* (directory: string) {
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
const pidNamespace = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const link = yield* Effect.orElseSucceed(fs.readLink("/proc/self/ns/pid"), () => "")
  return link.replaceAll(/\D/g, "")
})

const reapDead = Effect.fn("Cgroups.reapDead")(function* (room: string, namespace: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(room), () => [])
  const ours = names.filter((name) => /^\d+-\d+-/.test(name) && name.split("-")[2] === namespace)
  const dead = yield* Effect.filter(ours, (name) => Effect.map(Instance.isAlive(name), (alive) => !alive))
  yield* Effect.forEach(dead, (name) => removeInstance(`${room}/${name}`), {
    concurrency: "unbounded",
    discard: true
  })
})

/** The instance's own room in one directory, with the dead instances beside it removed. */
const makeRoom = Effect.fn("Cgroups.makeRoom")(function* (
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

/** Makes an instance's room in a directory; gives the room and the instance's directory in it. */
export type MakeRoom = (
  directory: string
) => Effect.Effect<{ readonly room: string; readonly instance: string }, unknown, Scope.Scope>

const surroundings = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const [mounts, own] = yield* Effect.all([
    fs.readFileString("/proc/self/mountinfo"),
    fs.readFileString("/proc/self/cgroup")
  ])
  return { mounts, own, isRoot: ThisProcess.isRoot } satisfies Surroundings
})

const PROBE = "probe"
const joinAll = 'for file; do echo 0 > "$file" || exit 1; done'

/** Does once what the launcher does for every sandbox: a kernel that refuses any of it must be known before there is one. */
const probe = Effect.fn("Cgroups.probe")(function* ({ hierarchies }: Cgroups) {
  const fs = yield* FileSystem.FileSystem
  for (const { parent, settings } of hierarchies) {
    const directory = `${parent}/${PROBE}`
    yield* Effect.acquireRelease(fs.makeDirectory(directory), () => remove(directory))
    yield* Effect.forEach(settings, ([file, value]) => fs.writeFileString(`${directory}/${file}`, value))
  }
  const files = hierarchies.map(({ join, parent }) => `${parent}/${PROBE}/${join}`)
  const exitCode = yield* Command.exitCode(Command.make("/bin/sh", "-c", joinAll, "sh", ...files))
  if (exitCode !== 0) return yield* new CgroupsUnusable({ reason: "no process may join a new cgroup" })
}, Effect.scoped)

/** Finds where this process may make cgroups that hold memory and processes; none where it may not. */
export const makeIn = Effect.fn("Cgroups.makeIn")(function* (given: Surroundings, caps: Caps) {
  const fs = yield* FileSystem.FileSystem
  const namespace = yield* pidNamespace
  const name = [yield* Instance.name, namespace, Secrets.identifier()].join("-")
  const room: MakeRoom = (directory) =>
    Effect.provideService(makeRoom(directory, name, namespace), FileSystem.FileSystem, fs)
  const second = yield* Effect.option(Effect.tap(CgroupV2.make(given, caps, room), probe))
  if (Option.isSome(second)) return second
  return yield* Effect.option(Effect.tap(CgroupV1.make(given, caps, room), probe))
})

/** The cgroups for this host's sandboxes, removed with the scope. */
export const make = Effect.fn("Cgroups.make")(function* (caps: Caps) {
  return yield* makeIn(yield* surroundings, caps)
})
