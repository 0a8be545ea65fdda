import { Command, FileSystem } from "@effect/platform"
import { Effect, Option } from "effect"
import { CgroupsUnusable } from "../HostErrors.js"
import * as HostInstance from "../HostInstance.js"
import * as Secrets from "../Secrets.js"
import * as ThisProcess from "../ThisProcess.js"
import type { Caps, Cgroups, MakeSubtree, Surroundings } from "./Cgroups.js"
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
const joinAll = 'for file; do echo 0 > "$file" || exit 1; done'

/** Does once what the launcher does for every sandbox, to find out whether the kernel lets it. */
const probe = Effect.fn("CgroupSetup.probe")(function* ({ hierarchies }: Cgroups) {
  const fs = yield* FileSystem.FileSystem
  for (const { parent, settings } of hierarchies) {
    const directory = `${parent}/${PROBE}`
    yield* Effect.acquireRelease(fs.makeDirectory(directory), () => HostSubtree.remove(directory))
    yield* Effect.forEach(settings, ([file, value]) => fs.writeFileString(`${directory}/${file}`, value))
  }
  const files = hierarchies.map(({ join, parent }) => `${parent}/${PROBE}/${join}`)
  const exitCode = yield* Command.exitCode(Command.make("/bin/sh", "-c", joinAll, "sh", ...files))
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
