import { Guest } from "@bulkhead/guest"
import { Effect, Option } from "effect"
import * as CgroupSetup from "../Cgroups/CgroupSetup.js"
import type { Cgroups } from "../Cgroups/Cgroups.js"
import * as GpuAllocator from "../Gpus/GpuAllocator.js"
import * as NvidiaDriver from "../Gpus/NvidiaDriver.js"
import { IsolationUnavailable } from "../HostErrors.js"
import { type HostOptions, MOST_SANDBOXES } from "../HostOptions.js"
import * as Numbering from "../Launcher/Numbering.js"
import * as ThisProcess from "../ThisProcess.js"
import * as GuestCpus from "./GuestCpus.js"
import type { GuestUser, KernelUids } from "./GuestUser.js"
import * as ImageDirectory from "./ImageDirectory.js"
import * as IsolationDescription from "./IsolationDescription.js"
import * as Requirements from "./Requirements.js"
import * as RunDirectory from "./RunDirectory.js"
import * as SandboxLimits from "./SandboxLimits.js"
import * as Template from "./Template.js"
import * as Toolchains from "./Toolchains.js"

/** What is made once for all sandboxes of a host. */
export interface Isolation {
  readonly options: HostOptions
  /** The plain sandbox. */
  readonly plain: Template.Template
  readonly images: ReadonlyArray<{
    readonly image: ImageDirectory.ImageDirectory
    readonly template: Template.Template
  }>
  /** What sandboxes can be made from, by the names that clients ask for. */
  readonly templates: ReadonlyMap<string, Template.Template>
  readonly gpus: GpuAllocator.GpuAllocator
  /** The users that programs can run as. */
  readonly users: ReadonlyArray<GuestUser>
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
    const { architecture, bwrap } = yield* Requirements.check(options.network !== undefined)
    const toolchains = yield* Toolchains.find(options.toolchains, ThisProcess.nodePath)
    const uids: KernelUids = ThisProcess.isRoot ? "two" : "one"
    const runDirectory = yield* RunDirectory.make()
    const caps = SandboxLimits.caps(options, uids)
    const cpus = `${runDirectory}/cpus`
    yield* GuestCpus.write(cpus, Math.ceil(caps.processors))
    const guest = { program: (yield* Guest.read(architecture)).path, place: Guest.places[architecture] }
    const cgroups = yield* CgroupSetup.make(caps)
    const driver = yield* NvidiaDriver.find(options.nvidiaRoot.replace(/\/+$/, ""))
    const foundation: Template.Foundation = {
      ...{ options, uids, bwrap, runDirectory, cpus, guest, toolchains, driver },
      processors: caps.processors,
      programLimits: SandboxLimits.ofPrograms(options, cgroups),
      hierarchies: Option.match(cgroups, { onNone: () => [], onSome: (found) => found.hierarchies }),
      numbering: yield* Numbering.make(Math.min(options.maxSandboxes, MOST_SANDBOXES))
    }
    const images = yield* Effect.forEach(Object.entries(options.images), ([name, place]) =>
      Effect.flatMap(ImageDirectory.open(name, place), (image) =>
        Effect.map(Template.ofImage(foundation, image), (template) => ({ image, template }))
      )
    )
    const plain = yield* Template.plain(foundation)
    return {
      options,
      plain,
      images,
      templates: new Map([
        [ImageDirectory.PLAIN, plain] as const,
        ...images.map(({ image, template }) => [image.name, template] as const)
      ]),
      gpus: yield* GpuAllocator.make(driver.gpus),
      users: uids === "two" ? ["user", "root"] : ["user"],
      cgroups,
      description: IsolationDescription.make(
        uids,
        toolchains.directories,
        cgroups,
        options.network !== undefined
      )
    } satisfies Isolation
  },
  Effect.catchTags({
    SystemError: (error) => Effect.fail(inaccessible(error)),
    BadArgument: (error) => Effect.fail(inaccessible(error)),
    GuestMissing: ({ message }) =>
      new IsolationUnavailable({ reason: message, remedy: "install this package whole" })
  })
)
