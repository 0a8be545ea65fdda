import { Guest } from "@bulkhead/guest"
import { Effect, Option } from "effect"
import * as CgroupSetup from "../Cgroups/CgroupSetup.js"
import type { Cgroups } from "../Cgroups/Cgroups.js"
import * as HostSubtree from "../Cgroups/HostSubtree.js"
import { IsolationUnavailable } from "../HostErrors.js"
import { diskBudget, type HostOptions, inodeBudget, MOST_SANDBOXES } from "../HostOptions.js"
import * as Launcher from "../Launcher/Launcher.js"
import * as ThisProcess from "../ThisProcess.js"
import * as Bubblewrap from "./Bubblewrap.js"
import * as GuestCpus from "./GuestCpus.js"
import * as GuestEtc from "./GuestEtc.js"
import * as GuestRoot from "./GuestRoot.js"
import type { GuestUser, KernelUids } from "./GuestUser.js"
import * as IsolationDescription from "./IsolationDescription.js"
import * as LaunchPlan from "./LaunchPlan.js"
import * as Requirements from "./Requirements.js"
import * as RunDirectory from "./RunDirectory.js"
import * as SandboxLimits from "./SandboxLimits.js"
import * as Toolchains from "./Toolchains.js"

const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** What is made once for all sandboxes of a host. */
export interface Isolation {
  readonly options: HostOptions
  readonly launcher: Launcher.Launcher
  /** The users that programs can run as. */
  readonly users: ReadonlyArray<GuestUser>
  /** The PATH that programs start with. */
  readonly path: string
  /** None where this process may not make any. */
  readonly cgroups: Option.Option<Cgroups>
  readonly description: IsolationDescription.IsolationDescription
}

const inaccessible = (error: { readonly message: string }) =>
  new IsolationUnavailable({
    reason: error.message,
    remedy: "make the named path accessible to this user"
  })

/** Prepares what sandboxes are made from and starts the launcher. Only `SelfCheck` proves that it works. */
export const make = Effect.fn("Isolation.make")(
  function* (options: HostOptions) {
    const { architecture, bwrap } = yield* Requirements.check()
    const toolchains = yield* Toolchains.find(options.toolchains)
    const uids: KernelUids = ThisProcess.isRoot ? "two" : "one"
    const runDirectory = yield* RunDirectory.make()
    const caps = SandboxLimits.caps(options, uids)
    const [etc, cpus] = [`${runDirectory}/etc`, `${runDirectory}/cpus`]
    yield* GuestEtc.write(etc)
    yield* GuestCpus.write(cpus, Math.ceil(caps.processors))
    const guest = { program: (yield* Guest.read(architecture)).path, place: Guest.places[architecture] }
    const root = yield* GuestRoot.find(
      [
        [etc, "/etc"],
        [cpus, GuestCpus.PLACE]
      ],
      toolchains,
      [[guest.program, guest.place]]
    )
    const cgroups = yield* CgroupSetup.make(caps)
    const programLimits = SandboxLimits.ofPrograms(options, cgroups)
    const disk = { bytes: diskBudget(options), inodes: inodeBudget(options) }
    const rootPlan = uids === "two" ? { disk, root, agent: guest.place, programLimits } : undefined
    const hierarchies = Option.match(cgroups, { onNone: () => [], onSome: (found) => found.hierarchies })
    const bubblewrap = Option.map(bwrap, (program) => [
      program,
      ...Bubblewrap.sandbox(root, options, guest.place, programLimits, LaunchPlan.groupFiles(hierarchies))
    ])
    const launcher = yield* Launcher.make({
      maxSandboxes: Math.min(options.maxSandboxes, MOST_SANDBOXES),
      ...{ program: guest.program, uids, runDirectory, bubblewrap },
      plan: LaunchPlan.text(hierarchies, caps.processors, rootPlan),
      startLimit: options.startLimit,
      clear: (lastId) =>
        Effect.forEach(hierarchies, ({ parent }) => HostSubtree.removeUpTo(parent, lastId), { discard: true })
    })
    return {
      options,
      launcher,
      users: uids === "two" ? ["user", "root"] : ["user"],
      path: [...toolchains.map((directory) => `${directory}/bin`), SYSTEM_PATH].join(":"),
      cgroups,
      description: IsolationDescription.make(uids, toolchains, cgroups)
    } satisfies Isolation
  },
  Effect.catchTags({
    SystemError: (error) => Effect.fail(inaccessible(error)),
    BadArgument: (error) => Effect.fail(inaccessible(error)),
    GuestMissing: ({ message }) =>
      new IsolationUnavailable({ reason: message, remedy: "install this package whole" })
  })
)
