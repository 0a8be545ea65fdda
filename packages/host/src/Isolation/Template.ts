import type { FileSystem } from "@effect/platform"
import { Effect, Option, type Scope } from "effect"
import type { Hierarchy } from "../Cgroups/Cgroups.js"
import * as HostSubtree from "../Cgroups/HostSubtree.js"
import * as GpuRoot from "../Gpus/GpuRoot.js"
import type { Gpu, NvidiaDriver } from "../Gpus/NvidiaDriver.js"
import type { LauncherDied, LaunchFailed, NoFreeSlot } from "../HostErrors.js"
import { diskBudget, type HostOptions, inodeBudget } from "../HostOptions.js"
import * as Launcher from "../Launcher/Launcher.js"
import type { Launched } from "../Launcher/LauncherProcess.js"
import type { Numbering } from "../Launcher/Numbering.js"
import * as Bubblewrap from "./Bubblewrap.js"
import * as GuestCpus from "./GuestCpus.js"
import * as GuestEtc from "./GuestEtc.js"
import * as GuestRoot from "./GuestRoot.js"
import type { KernelUids } from "./GuestUser.js"
import * as ImageDirectory from "./ImageDirectory.js"
import * as LaunchPlan from "./LaunchPlan.js"
import type { Toolchains } from "./Toolchains.js"

/** What sandboxes are made from. Each has a launcher of its own, which has laid out all that they share. */
export interface Template {
  readonly launcher: Launcher.Launcher
  /** Starts a sandbox that sees these GPUs. It is killed, and known dead, when the scope has closed. */
  readonly launchWithGpus: (
    gpus: ReadonlyArray<Gpu>
  ) => Effect.Effect<Launched, LaunchFailed | LauncherDied | NoFreeSlot, Scope.Scope>
  /** The PATH that programs start with. */
  readonly path: string
  /** What else they have in their environment, unless their client says otherwise. */
  readonly env: Readonly<Record<string, string>>
}

/** What all templates of a host are made with. */
export interface Foundation {
  readonly options: HostOptions
  readonly uids: KernelUids
  readonly bwrap: Option.Option<string>
  readonly runDirectory: string
  /** The directory that says how many processors there are. */
  readonly cpus: string
  readonly guest: { readonly program: string; readonly place: string }
  readonly toolchains: Toolchains
  readonly processors: number
  readonly programLimits: LaunchPlan.ProgramLimits
  readonly hierarchies: ReadonlyArray<Hierarchy>
  readonly numbering: Numbering
  readonly driver: NvidiaDriver
}

const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

type Files = GuestRoot.GuestRoot["programs"]

const rootOf = Effect.fnUntraced(function* (
  { cpus, guest, runDirectory }: Foundation,
  name: string,
  system: GuestRoot.GuestSystem,
  files: Files
) {
  const etc = `${runDirectory}/etc-${name}`
  yield* GuestEtc.write(etc, system.root)
  const copies = [[etc, "/etc"] as const, [cpus, GuestCpus.PLACE] as const]
  return yield* GuestRoot.find(system, copies, [[guest.program, guest.place], ...files])
})

/** What a launcher needs whose sandboxes have this root. */
const setupOf = (foundation: Foundation, root: GuestRoot.GuestRoot): Launcher.LauncherOptions => {
  const { bwrap, guest, hierarchies, numbering, options, processors, programLimits } = foundation
  const { runDirectory, uids } = foundation
  const disk = { bytes: diskBudget(options), inodes: inodeBudget(options) }
  const rootPlan = uids === "two" ? { disk, root, agent: guest.place, programLimits } : undefined
  const bubblewrap = Option.map(bwrap, (program) => [
    program,
    ...Bubblewrap.sandbox(root, options, guest.place, programLimits, LaunchPlan.groupFiles(hierarchies))
  ])
  return {
    ...{ numbering, uids, runDirectory, bubblewrap },
    program: guest.program,
    plan: LaunchPlan.text(hierarchies, processors, rootPlan),
    startLimit: options.startLimit,
    clear: (ids) =>
      Effect.forEach(hierarchies, ({ parent }) => HostSubtree.removeAll(parent, ids), { discard: true })
  }
}

/** The launcher of all sandboxes with this root, and the way to start one that has GPUs too. */
const launchersOf = Effect.fnUntraced(function* (foundation: Foundation, root: GuestRoot.GuestRoot) {
  const files = yield* Effect.context<FileSystem.FileSystem>()
  const launchWithGpus: Template["launchWithGpus"] = (gpus) => {
    const own = GpuRoot.withGpus(root, foundation.driver, gpus)
    return Effect.provide(Launcher.launchAlone(setupOf(foundation, own)), files)
  }
  return { launcher: yield* Launcher.make(setupOf(foundation, root)), launchWithGpus }
})

const machineOf = ({ toolchains }: Foundation): GuestRoot.GuestSystem => ({
  root: "",
  beside: toolchains.directories.map((directory) => [directory, directory] as const)
})

const machinePath = ({ toolchains }: Foundation) => [...toolchains.programs, SYSTEM_PATH]

/** What the plain sandbox is made from: this machine's own system. */
export const plain = Effect.fn("Template.plain")(function* (foundation: Foundation) {
  const root = yield* rootOf(foundation, "plain", machineOf(foundation), [])
  const launchers = yield* launchersOf(foundation, root)
  return { ...launchers, path: machinePath(foundation).join(":"), env: {} } satisfies Template
})

/** What sandboxes of an image are made from: its own system, or this machine's with what the image adds. */
export const ofImage = Effect.fn("Template.ofImage")(function* (
  foundation: Foundation,
  image: ImageDirectory.ImageDirectory
) {
  const base = image.isSystem ? { root: image.root, beside: [] } : machineOf(foundation)
  const own = (place: string) => [`${image.root}${place}`, place] as const
  const system = { root: base.root, beside: [...base.beside, ...image.additions.map(own)] }
  const root = yield* rootOf(foundation, `image-${image.name}`, system, [own(ImageDirectory.MANIFEST)])
  const launchers = yield* launchersOf(foundation, root).pipe(
    Effect.annotateLogs({ image: image.name }),
    Effect.catchTag("IsolationUnavailable", ({ reason }) => ImageDirectory.unusable(image, reason))
  )
  const path = image.isSystem ? [SYSTEM_PATH] : machinePath(foundation)
  return {
    ...launchers,
    path: [...(image.hasPrograms ? [ImageDirectory.PROGRAMS] : []), ...path].join(":"),
    env: image.manifest.env ?? {}
  } satisfies Template
})
