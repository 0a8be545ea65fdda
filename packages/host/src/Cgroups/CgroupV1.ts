import { FileSystem } from "@effect/platform"
import { Effect, Option, type Scope } from "effect"
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

const controllers = ["memory", "pids", "cpu", "cpuacct"] as const
type Controller = (typeof controllers)[number]

/** The share of a sandbox's memory that what its sockets hold may be, which version 1 counts apart from the rest. */
const SOCKETS_SHARE = 1 / 32

const settingsOf = (
  { memoryBytes, processes }: Pick<Caps, "memoryBytes" | "processes">,
  processors?: number
): Record<Controller, ReadonlyArray<Setting>> => ({
  memory: [
    ["memory.limit_in_bytes", String(memoryBytes)],
    // Memory and swap together; there only where swap is counted.
    ["memory.memsw.limit_in_bytes", String(memoryBytes)],
    // Of TCP and UDP, whatever the name says. Nothing is counted before it is set, and no cgroup below inherits it.
    ["memory.kmem.tcp.limit_in_bytes", String(Math.floor(memoryBytes * SOCKETS_SHARE))]
  ],
  pids: [["pids.max", String(processes)]],
  cpu: processors === undefined ? [] : [["cpu.cfs_quota_us", String(Math.ceil(processors * PERIOD))]],
  cpuacct: []
})

/** With those that serve its programs. */
const wholeOf = ({ keepers, memoryBytes, processes }: Caps) => ({
  memoryBytes: memoryBytes + keepers.memoryBytes,
  processes: processes + keepers.processes
})

/** Controllers that the sandbox may read. */
const shown: ReadonlyArray<Controller> = ["memory", "pids", "cpuacct", "cpu"]

const isEssential = (controller: Controller) => controller === "memory" || controller === "pids"

/** The directories, one for each hierarchy, with the controllers that it carries. */
const located = (given: Surroundings) => {
  const mounts = CgroupMounts.parse(given.mounts).filter(({ version }) => version === 1)
  const found = new Map<string, Array<Controller>>()
  for (const controller of controllers) {
    const mount = mounts.find((candidate) => candidate.controllers.includes(controller))
    if (mount !== undefined) found.set(mount.directory, [...(found.get(mount.directory) ?? []), controller])
  }
  return found
}

const makeHierarchy = Effect.fn("CgroupV1.makeHierarchy")(function* (
  directory: string,
  carried: ReadonlyArray<Controller>,
  caps: Caps,
  makeSubtree: MakeSubtree
) {
  const fs = yield* FileSystem.FileSystem
  const { own, shared } = yield* makeSubtree(directory)
  // Those below take it over from here.
  if (carried.includes("memory")) yield* Effect.ignore(fs.writeFileString(`${own}/memory.swappiness`, "0"))
  const known = (all: Record<Controller, ReadonlyArray<Setting>>) =>
    Effect.filter(
      carried.flatMap((controller) => all[controller]),
      ([file]) => fs.exists(`${shared}/${file}`)
    )
  const settings = yield* known(settingsOf(wholeOf(caps), caps.processors))
  const ofPrograms = (yield* known(settingsOf(caps))).map(
    ([file, value]): Setting => [`${PROGRAM}/${file}`, value]
  )
  const visible = shown.find((controller) => carried.includes(controller))
  return {
    parent: own,
    // Unlike cgroup.procs it moves a lone thread without a lock over the whole machine.
    join: "tasks",
    place: visible === undefined ? "" : `/sys/fs/cgroup/${visible}`,
    settings,
    ...(carried.some(isEssential) ? { inner: { keepers: "", settings: ofPrograms } } : {})
  } satisfies Hierarchy
})

/**
 * The processors of the machine, in a cgroup of the sandbox's own. It limits nothing: without it OpenJDK takes no
 * cgroup for its own, and the machine's memory for its limit.
 */
const makeProcessors = Effect.fn("CgroupV1.makeProcessors")(function* (
  given: Surroundings,
  makeSubtree: MakeSubtree
) {
  const fs = yield* FileSystem.FileSystem
  const mounts = CgroupMounts.parse(given.mounts).filter(({ version }) => version === 1)
  const mount = yield* Effect.fromNullable(mounts.find(({ controllers }) => controllers.includes("cpuset")))
  const { own, shared } = yield* makeSubtree(mount.directory)
  const settings = yield* Effect.forEach(["cpuset.cpus", "cpuset.mems"] as const, (file) =>
    Effect.gen(function* () {
      const value = (yield* fs.readFileString(`${mount.directory}/${file}`)).trim()
      // A new one has none, and takes in no process.
      yield* Effect.forEach([shared, own], (directory) => fs.writeFileString(`${directory}/${file}`, value))
      return [file, value] as const
    })
  )
  return { parent: own, join: "tasks", place: "/sys/fs/cgroup/cpuset", settings } satisfies Hierarchy
})

const usageIn =
  (fs: FileSystem.FileSystem, memory: string, cpuacct: string | undefined) =>
  (id: number): Effect.Effect<Option.Option<CgroupUsage>> =>
    Effect.option(
      Effect.gen(function* () {
        const [used, stat, cpu] = yield* Effect.all([
          fs.readFileString(`${memory}/${id}/memory.usage_in_bytes`),
          fs.readFileString(`${memory}/${id}/memory.stat`),
          cpuacct === undefined ? Effect.succeed("0") : fs.readFileString(`${cpuacct}/${id}/cpuacct.usage`)
        ])
        const { total_cache = 0, total_shmem = 0 } = CgroupMounts.numbersIn(stat)
        const cacheBytes = Math.max(0, total_cache - total_shmem)
        return { cpuMicros: Number(cpu) / 1000, memoryBytes: Number(used), cacheBytes }
      })
    )

/** Cgroups of version 1, alone or beside a version 2 that carries no controllers. */
export const make = Effect.fn("CgroupV1.make")(function* (
  given: Surroundings,
  caps: Caps,
  makeSubtree: MakeSubtree
): Effect.fn.Return<Cgroups, unknown, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const found = [...located(given)]
  const carried = found.flatMap(([, names]) => names)
  if (!controllers.filter(isEssential).every((name) => carried.includes(name)))
    return yield* new CgroupsUnusable({ reason: "no memory and pids controllers of version 1" })
  const hierarchies = yield* Effect.forEach(found, ([directory, names]) =>
    makeHierarchy(directory, names, caps, makeSubtree)
  )
  const parentOf = (controller: Controller) =>
    hierarchies[found.findIndex(([, names]) => names.includes(controller))]?.parent
  const processors = yield* Effect.option(makeProcessors(given, makeSubtree))
  return {
    kind: "cgroup v1",
    hierarchies: [...hierarchies, ...Option.toArray(processors)],
    usage: usageIn(fs, parentOf("memory") ?? "", parentOf("cpuacct"))
  }
})
