import { FileSystem } from "@effect/platform"
import { Effect, type Option, type Scope } from "effect"
import { CgroupsUnusable } from "../HostErrors.js"
import * as CgroupMounts from "./CgroupMounts.js"
import {
  type Caps,
  type Cgroups,
  type CgroupUsage,
  type Hierarchy,
  type MakeSubtree,
  PROGRAM,
  type Setting,
  type Surroundings
} from "./Cgroups.js"

/** Microseconds in which the quota is counted: the kernel's default. */
const PERIOD = 100_000

const wanted = ["memory", "pids", "cpu"] as const
const essential: ReadonlyArray<string> = ["memory", "pids"]

const words = (text: string) => text.split(/\s+/).filter((word) => word !== "")

/** Where processes go that stand in the way: only a cgroup without any hands its controllers on. */
const ASIDE = "bulkhead-others"

/** Where those go that serve a sandbox's programs: a cgroup that hands controllers on must have no processes. */
const KEEPERS = "keepers"

const settingsOf = ({ keepers, memoryBytes, processes, processors }: Caps): ReadonlyArray<Setting> => [
  ["memory.max", String(memoryBytes + keepers.memoryBytes)],
  ["memory.swap.max", "0"],
  ["pids.max", String(processes + keepers.processes)],
  ["cpu.max", `${Math.ceil(processors * PERIOD)} ${PERIOD}`]
]

const settingsOfPrograms = ({ memoryBytes, processes }: Caps): ReadonlyArray<Setting> => [
  ["memory.max", String(memoryBytes)],
  ["memory.swap.max", "0"],
  ["pids.max", String(processes)]
]

/** Lets the cgroups below have the controllers. */
const handOn = Effect.fn("CgroupV2.handOn")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const control = `${directory}/cgroup.subtree_control`
  const available = words(yield* fs.readFileString(`${directory}/cgroup.controllers`))
  if (!essential.every((name) => available.includes(name)))
    return yield* new CgroupsUnusable({ reason: `${directory} has no memory and pids controllers` })
  const enabled = words(yield* fs.readFileString(control))
  const missing = wanted.filter((name) => available.includes(name) && !enabled.includes(name))
  yield* Effect.forEach(missing, (name) => {
    const enable = fs.writeFileString(control, `+${name}`)
    return essential.includes(name) ? enable : Effect.ignore(enable)
  })
})

/** Moves the processes of a container's own root cgroup into one below it, as Docker in Docker does. */
const makeWay = Effect.fn("CgroupV2.makeWay")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  // The machine's own root cgroup has no type, and need not be empty.
  if (!(yield* fs.exists(`${directory}/cgroup.type`))) return
  const processes = words(yield* fs.readFileString(`${directory}/cgroup.procs`))
  if (processes.length === 0) return
  yield* fs.makeDirectory(`${directory}/${ASIDE}`, { recursive: true })
  yield* Effect.forEach(processes, (pid) =>
    Effect.ignore(fs.writeFileString(`${directory}/${ASIDE}/cgroup.procs`, pid))
  )
})

/** The cgroups above our own, the nearest first; of a delegated subtree those that may be written to. */
const delegated = Effect.fn("CgroupV2.delegated")(function* (mount: string, own: string) {
  const fs = yield* FileSystem.FileSystem
  const parts = own.split("/").filter((part) => part !== "")
  const above = parts.map((_, index) => [mount, ...parts.slice(0, parts.length - 1 - index)].join("/"))
  const isWritable = (path: string) =>
    Effect.as(fs.access(path, { writable: true }), true).pipe(Effect.orElseSucceed(() => false))
  return yield* Effect.filter(above, (directory) =>
    Effect.all([isWritable(directory), isWritable(`${directory}/cgroup.procs`)]).pipe(
      Effect.map((both) => both.every(Boolean))
    )
  )
})

const ownPath = (own: string) => /^0::(\/.*)$/m.exec(own)?.[1] ?? "/"

const makeHierarchy = Effect.fn("CgroupV2.makeHierarchy")(function* (
  directory: string,
  caps: Caps,
  makeSubtree: MakeSubtree
) {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.catchIf(
    handOn(directory),
    (error) => error._tag !== "CgroupsUnusable",
    () => Effect.zipRight(makeWay(directory), handOn(directory))
  )
  const { own, shared } = yield* makeSubtree(directory)
  yield* handOn(shared)
  yield* handOn(own)
  const known = (settings: ReadonlyArray<Setting>) =>
    Effect.filter(settings, ([file]) => fs.exists(`${own}/${file}`))
  const ofPrograms = (yield* known(settingsOfPrograms(caps))).map(
    ([file, value]): Setting => [`${PROGRAM}/${file}`, value]
  )
  return {
    parent: own,
    join: "cgroup.procs",
    place: "/sys/fs/cgroup",
    settings: yield* known(settingsOf(caps)),
    inner: { keepers: KEEPERS, settings: [["cgroup.subtree_control", "+memory +pids"], ...ofPrograms] }
  } satisfies Hierarchy
})

const usageIn =
  (fs: FileSystem.FileSystem, parent: string) =>
  (id: number): Effect.Effect<Option.Option<CgroupUsage>> =>
    Effect.option(
      Effect.gen(function* () {
        const [used, stat, cpu] = yield* Effect.all([
          fs.readFileString(`${parent}/${id}/memory.current`),
          fs.readFileString(`${parent}/${id}/memory.stat`),
          fs.readFileString(`${parent}/${id}/cpu.stat`)
        ])
        const { file = 0, shmem = 0 } = CgroupMounts.numbersIn(stat)
        const { usage_usec = 0 } = CgroupMounts.numbersIn(cpu)
        return { cpuMicros: usage_usec, memoryBytes: Number(used), cacheBytes: Math.max(0, file - shmem) }
      })
    )

/** Cgroups of version 2: root's own, or a subtree that systemd has delegated to the user. */
export const make = Effect.fn("CgroupV2.make")(function* (
  given: Surroundings,
  caps: Caps,
  makeSubtree: MakeSubtree
): Effect.fn.Return<Cgroups, unknown, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const mount = CgroupMounts.parse(given.mounts).find(({ version }) => version === 2)
  if (mount === undefined) return yield* new CgroupsUnusable({ reason: "no cgroups of version 2" })
  const places = given.isRoot ? [mount.directory] : yield* delegated(mount.directory, ownPath(given.own))
  const hierarchy = yield* Effect.firstSuccessOf([
    ...places.map((directory) => makeHierarchy(directory, caps, makeSubtree)),
    new CgroupsUnusable({ reason: "no cgroup of version 2 that may be written to" })
  ])
  return { kind: "cgroup v2", hierarchies: [hierarchy], usage: usageIn(fs, hierarchy.parent) }
})
