import { Command, FileSystem } from "@effect/platform"
import { Effect, Option } from "effect"
import { CgroupsUnusable } from "../HostErrors.js"
import * as HostInstance from "../HostInstance.js"
import * as Secrets from "../Secrets.js"
import * as ThisProcess from "../ThisProcess.js"
import {
  type Caps,
  type Cgroups,
  type Hierarchy,
  type MakeSubtree,
  PROGRAM,
  type Setting,
  type Surroundings
} from "./Cgroups.js"
import * as CgroupV1 from "./CgroupV1.js"
import * as CgroupV2 from "./CgroupV2.js"
import * as HostSubtree from "./HostSubtree.js"

const surroundings = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const [mounts, own] = yield* Effect.all([
    fs.readFileString("/proc/self/mountinfo"),
    fs.readFileString("/proc/self/cgroup")
  ])
  return { mounts, own, isRoot: ThisProcess.isRoot } satisfies Surroundings
})

const PROBE = "probe"
const writeAll = 'while [ $# -gt 0 ]; do echo "$2" > "$1" || exit 1; shift 2; done'

/** What a process writes that becomes a sandbox's first: it joins, then makes way, then sets what is below. */
const joining = ({ inner, join }: Hierarchy): ReadonlyArray<Setting> => [
  [join, "0"],
  ...(inner === undefined || inner.keepers === "" ? [] : [[`${inner.keepers}/${join}`, "0"] as const]),
  ...(inner === undefined ? [] : [...inner.settings, [`${PROGRAM}/${join}`, "0"] as const])
]

/** Does once what the launcher does for every sandbox, to find out whether the kernel lets it. */
const probe = Effect.fn("CgroupSetup.probe")(function* ({ hierarchies }: Cgroups) {
  const fs = yield* FileSystem.FileSystem
  for (const { inner, parent, settings } of hierarchies) {
    const directory = `${parent}/${PROBE}`
    const below = inner === undefined ? [] : [PROGRAM, inner.keepers].filter((name) => name !== "")
    const all = [directory, ...below.map((name) => `${directory}/${name}`)]
    yield* Effect.forEach(all, (each) =>
      Effect.acquireRelease(fs.makeDirectory(each), () => HostSubtree.remove(each))
    )
    yield* Effect.forEach(settings, ([file, value]) => fs.writeFileString(`${directory}/${file}`, value))
  }
  const words = hierarchies.flatMap((each) =>
    joining(each).flatMap(([file, value]) => [`${each.parent}/${PROBE}/${file}`, value])
  )
  const exitCode = yield* Command.exitCode(Command.make("/bin/sh", "-c", writeAll, "sh", ...words))
  if (exitCode !== 0) return yield* new CgroupsUnusable({ reason: "no process may join a new cgroup" })
}, Effect.scoped)

/** Finds where this process may make cgroups that hold memory and processes; none where it may not. */
export const makeIn = Effect.fn("CgroupSetup.makeIn")(function* (given: Surroundings, caps: Caps) {
  const fs = yield* FileSystem.FileSystem
  const namespace = yield* HostSubtree.pidNamespace
  const name = [yield* HostInstance.name, namespace, Secrets.identifier()].join("-")
  const makeSubtree: MakeSubtree = (directory) =>
    Effect.provideService(HostSubtree.make(directory, name, namespace), FileSystem.FileSystem, fs)
  const second = yield* Effect.option(Effect.tap(CgroupV2.make(given, caps, makeSubtree), probe))
  if (Option.isSome(second)) return second
  return yield* Effect.option(Effect.tap(CgroupV1.make(given, caps, makeSubtree), probe))
})

/** The cgroups for this host's sandboxes, removed with the scope. */
export const make = Effect.fn("CgroupSetup.make")(function* (caps: Caps) {
  return yield* makeIn(yield* surroundings, caps)
})
