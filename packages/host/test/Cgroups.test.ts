import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as CgroupSetup from "../src/Cgroups/CgroupSetup.js"
import type * as Cgroups from "../src/Cgroups/Cgroups.js"
import * as LaunchPlan from "../src/Isolation/LaunchPlan.js"

const caps: Cgroups.Caps = {
  memoryBytes: 1000,
  processors: 1.6,
  processes: 132,
  keepers: { memoryBytes: 24, processes: 3 }
}

/** A directory tree with the given files; a kernel's own behaviour it has not. */
const tree = (files: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mkdtempSync(join(tmpdir(), "cgroups-"))
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(directory, name)), { recursive: true })
        writeFileSync(join(directory, name), text)
      }
      return directory
    }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

const v2Mount = (directory: string) =>
  `31 23 0:28 / ${directory} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n`
const v1Mount = (directory: string, controllers: string) =>
  `32 31 0:29 / ${directory} rw,relatime - cgroup cgroup rw,${controllers}\n`

const controllers = {
  "cgroup.controllers": "cpuset cpu io memory pids\n",
  "cgroup.subtree_control": "memory pids\n"
}
const below = (directory: string, files: Record<string, string>) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${directory}/${name}`, text]))

/** Gives a new directory of a version 2 hierarchy the files that a kernel would. */
const likeAKernel = Effect.map(FileSystem.FileSystem, (fs) => ({
  ...fs,
  makeDirectory: (path: string, options?: FileSystem.MakeDirectoryOptions) =>
    Effect.zipRight(
      fs.makeDirectory(path, options),
      Effect.sync(() => {
        if (!existsSync(join(dirname(path), "cgroup.controllers"))) return
        const files = ["memory.max", "memory.swap.max", "pids.max", "cpu.max"]
        writeFileSync(join(path, "cgroup.controllers"), "cpu memory pids\n")
        for (const file of ["cgroup.subtree_control", ...files]) writeFileSync(join(path, file), "")
      })
    )
}))

const made = (given: Cgroups.Surroundings) =>
  Effect.map(CgroupSetup.makeIn(given, caps), Option.getOrUndefined).pipe(
    Effect.provideServiceEffect(FileSystem.FileSystem, likeAKernel),
    Effect.provide(NodeContext.layer)
  )

describe("Cgroups", () => {
  it.scoped("of version 2 are made at the root of the hierarchy by root", () =>
    Effect.gen(function* () {
      const mount = yield* tree(controllers)
      const own = "0::/user.slice/user-0.slice/session-1.scope\n"
      const found = yield* made({ mounts: v2Mount(mount), own, isRoot: true })
      assert.strictEqual(found?.kind, "cgroup v2")
      const [hierarchy] = found?.hierarchies ?? []
      assert.isTrue(hierarchy?.parent.startsWith(`${mount}/bulkhead/${process.pid}-`))
      assert.deepInclude(hierarchy, {
        join: "cgroup.procs",
        place: "/sys/fs/cgroup",
        settings: [
          ["memory.max", "1024"],
          ["memory.swap.max", "0"],
          ["pids.max", "135"],
          ["cpu.max", "160000 100000"]
        ],
        // A cgroup with processes could not hand its controllers on.
        inner: {
          keepers: "keepers",
          settings: [
            ["cgroup.subtree_control", "+memory +pids"],
            ["program/memory.max", "1000"],
            ["program/memory.swap.max", "0"],
            ["program/pids.max", "132"]
          ]
        }
      })
      // What root's own cgroup hands on already is not asked for again.
      assert.strictEqual(readFileSync(join(mount, "cgroup.subtree_control"), "utf8"), "+cpu")
      const line = LaunchPlan.text(found?.hierarchies ?? [], 1, undefined)
      assert.strictEqual(
        line,
        [
          "processors\t1\n",
          `cgroup\t${hierarchy?.parent}\tcgroup.procs\t/sys/fs/cgroup\tmemory.max=1024\tmemory.swap.max=0\tpids.max=135\tcpu.max=160000 100000\n`,
          "inner\tkeepers\tcgroup.subtree_control=+memory +pids\tprogram/memory.max=1000\tprogram/memory.swap.max=0\tprogram/pids.max=132\n"
        ].join("")
      )
      assert.strictEqual(LaunchPlan.groupFiles(found?.hierarchies ?? []), 2)
    })
  )

  it.scoped("of version 2 are made in the nearest subtree that the user has been given", () =>
    Effect.gen(function* () {
      const user = "user.slice/user-1000.slice/user@1000.service"
      const mount = yield* tree({
        ...controllers,
        ...below(user, { ...controllers, "cgroup.procs": "" }),
        ...below(`${user}/app.slice`, { "cgroup.controllers": "cpu\n", "cgroup.procs": "" })
      })
      const own = `0::/${user}/app.slice/run.scope\n`
      const found = yield* made({ mounts: v2Mount(mount), own, isRoot: false })
      assert.isTrue(found?.hierarchies[0]?.parent.startsWith(`${mount}/${user}/bulkhead/`))
    })
  )

  it.scoped("of version 2 tell what a sandbox uses", () =>
    Effect.gen(function* () {
      const mount = yield* tree(controllers)
      const found = yield* made({ mounts: v2Mount(mount), own: "0::/\n", isRoot: true })
      const sandbox = join(found?.hierarchies[0]?.parent ?? "", "7")
      mkdirSync(sandbox)
      writeFileSync(join(sandbox, "memory.current"), "5000\n")
      writeFileSync(join(sandbox, "memory.stat"), "anon 1000\nfile 4000\nshmem 1500\n")
      writeFileSync(join(sandbox, "cpu.stat"), "usage_usec 77\nuser_usec 70\n")
      const usage = found === undefined ? Option.none() : yield* found.usage(7)
      assert.deepEqual(Option.getOrUndefined(usage), { cpuMicros: 77, memoryBytes: 5000, cacheBytes: 2500 })
    })
  )

  it.scoped("of version 2 without memory and pids are left alone", () =>
    Effect.gen(function* () {
      const mount = yield* tree({ "cgroup.controllers": "hugetlb\n", "cgroup.subtree_control": "" })
      assert.isUndefined(yield* made({ mounts: v2Mount(mount), own: "0::/\n", isRoot: true }))
      assert.isFalse(existsSync(join(mount, "bulkhead")))
    })
  )

  it.scoped("of version 1 are found wherever they are mounted, together or apart", () =>
    Effect.gen(function* () {
      const names = {
        ...below("memory/bulkhead", { "memory.limit_in_bytes": "", "memory.kmem.tcp.limit_in_bytes": "" }),
        ...below("pids/bulkhead", { "pids.max": "" }),
        ...below("cpu,cpuacct/bulkhead", { "cpu.cfs_quota_us": "" }),
        ...below("cpuset", { "cpuset.cpus": "0-1\n", "cpuset.mems": "0\n" })
      }
      const mount = yield* tree(names)
      const mounts = ["memory", "pids", "cpu,cpuacct", "cpuset"]
        .map((each) => v1Mount(join(mount, each), each))
        .join("")
      const found = yield* made({ mounts, own: "4:memory:/\n", isRoot: true })
      assert.strictEqual(found?.kind, "cgroup v1")
      assert.deepEqual(
        found?.hierarchies.map(({ inner, join, place, settings }) => [join, place, settings, inner]),
        [
          [
            "tasks",
            "/sys/fs/cgroup/memory",
            [
              ["memory.limit_in_bytes", "1024"],
              ["memory.kmem.tcp.limit_in_bytes", "32"]
            ],
            {
              keepers: "",
              settings: [
                ["program/memory.limit_in_bytes", "1000"],
                ["program/memory.kmem.tcp.limit_in_bytes", "31"]
              ]
            }
          ],
          [
            "tasks",
            "/sys/fs/cgroup/pids",
            [["pids.max", "135"]],
            { keepers: "", settings: [["program/pids.max", "132"]] }
          ],
          ["tasks", "/sys/fs/cgroup/cpuacct", [["cpu.cfs_quota_us", "160000"]], undefined],
          [
            ...["tasks", "/sys/fs/cgroup/cpuset"],
            [
              ["cpuset.cpus", "0-1"],
              ["cpuset.mems", "0"]
            ],
            undefined
          ]
        ]
      )
      assert.strictEqual(LaunchPlan.groupFiles(found?.hierarchies ?? []), 3)
      for (const { parent } of found?.hierarchies ?? []) assert.isTrue(existsSync(parent))
    })
  )

  it.scoped("of version 1 that may not be written to are none", () =>
    Effect.gen(function* () {
      if (process.getuid?.() === 0) return
      const mount = yield* tree({ "memory/tasks": "", "pids/tasks": "" })
      for (const name of ["memory", "pids"]) chmodSync(join(mount, name), 0o555)
      const mounts = ["memory", "pids"].map((each) => v1Mount(join(mount, each), each)).join("")
      assert.isUndefined(yield* made({ mounts, own: "", isRoot: false }))
    })
  )

  it.scoped("that a dead host left are removed, a living one's are not", () =>
    Effect.gen(function* () {
      const namespace = readlinkSync("/proc/self/ns/pid").replaceAll(/\D/g, "")
      const stat = readFileSync("/proc/self/stat", "utf8")
      const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
      const living = `${process.pid}-${startTime}-${namespace}-living`
      const dead = `${process.pid}-1-${namespace}-dead`
      const elsewhere = `${process.pid}-1-1-elsewhere`
      const mount = yield* tree({ "memory/tasks": "", "pids/tasks": "" })
      for (const name of [living, dead, elsewhere])
        mkdirSync(join(mount, "memory/bulkhead", name, "7"), { recursive: true })
      const mounts = ["memory", "pids"].map((each) => v1Mount(join(mount, each), each)).join("")
      yield* made({ mounts, own: "", isRoot: true })
      const left = (name: string) => existsSync(join(mount, "memory/bulkhead", name, "7"))
      assert.deepEqual([living, dead, elsewhere].map(left), [true, false, true])
    })
  )
})
