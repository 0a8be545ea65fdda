import { FileSystem, Path } from "@effect/platform"
import { Effect, Option, type Scope } from "effect"
import * as CgroupSetup from "../Cgroups/CgroupSetup.js"
import type { Cgroups } from "../Cgroups/Cgroups.js"
import * as Held from "../Held.js"
import { IsolationUnavailable, NoFreeSlot } from "../HostErrors.js"
import { diskBudget, type HostOptions, inodeBudget, MOST_SANDBOXES } from "../HostOptions.js"
import * as ThisProcess from "../ThisProcess.js"
import * as Bubblewrap from "./Bubblewrap.js"
import * as GuestEtc from "./GuestEtc.js"
import * as GuestRoot from "./GuestRoot.js"
import * as Launcher from "./Launcher.js"
import * as LaunchPlan from "./LaunchPlan.js"
import * as RunDirectory from "./RunDirectory.js"
import * as Seccomp from "./Seccomp.js"
import type { Architecture } from "./Syscalls.js"

/** What sandboxes are isolated with, for people to read. */
export interface IsolationDescription {
  readonly mechanism: "bubblewrap"
  readonly namespaces: ReadonlyArray<string>
  /** "own uids": each sandbox has two kernel uids that nothing else has. "shared uid": the host's own, without guest root. */
  readonly users: "own uids" | "shared uid"
  readonly seccomp: "docker default"
  readonly network: "none"
  /** What holds each sandbox to its memory, CPU and processes. Rlimits hold single programs, and no CPU. */
  readonly caps: Cgroups["kind"] | "rlimits only"
  /** Directories beside /usr that sandboxes can read. */
  readonly toolchains: ReadonlyArray<string>
}

/** All that is made once for all sandboxes of a host. */
export interface Isolation {
  readonly options: HostOptions
  readonly launcher: Launcher.Launcher
  readonly mode: Bubblewrap.UserMode
  /** The PATH that programs start with. */
  readonly path: string
  /** A place among the most sandboxes there may be; with it come its uids. Free again when the scope has closed. */
  readonly slot: Effect.Effect<number, NoFreeSlot, Scope.Scope>
  /** Absent: the kernel lets this user have none. */
  readonly cgroups: Option.Option<Cgroups>
  readonly description: IsolationDescription
}

/** Processes of ours in a sandbox: the agent, the supervisor, one that sends signals, and bwrap where it stays. */
const serving = { two: 3, one: 4 } as const

const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
const asRoot = (command: string) => (ThisProcess.isRoot ? command : `sudo ${command}`)

const architecture = Effect.suspend(() =>
  ThisProcess.architecture === "x64" || ThisProcess.architecture === "arm64"
    ? Effect.succeed<Architecture>(ThisProcess.architecture)
    : new IsolationUnavailable({
        reason: `no system call filter is known for ${ThisProcess.architecture}`,
        remedy: "run on x64 or arm64"
      })
)

const findBwrap = Effect.flatMap(
  Bubblewrap.find(),
  Option.match({
    onSome: Effect.succeed,
    onNone: () =>
      new IsolationUnavailable({
        reason: "bubblewrap (bwrap) is not installed",
        remedy: asRoot("apt-get install -y bubblewrap")
      })
  })
)

const checkPerl = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  if (yield* fs.exists("/usr/bin/perl")) return
  return yield* new IsolationUnavailable({
    reason: "/usr/bin/perl is missing",
    remedy: asRoot("apt-get install -y perl-base")
  })
})

const shipped = Effect.fn("Isolation.shipped")(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const places = ThisProcess.shippedFile(name)
  const found = yield* Effect.filter(places, (place) => fs.exists(place))
  if (found[0] !== undefined) return found[0]
  return yield* new IsolationUnavailable({
    reason: `${name} is missing from this installation`,
    remedy: `put it at ${places[0]}`
  })
})

const readShipped = Effect.fn("Isolation.readShipped")(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(yield* shipped(name))
})

/** Puts our two Perl programs together from their parts. An agent that each sandbox compiles has its lesser part as text. */
const writePerl = Effect.fn("Isolation.writePerl")(function* (
  runDirectory: string,
  mode: Bubblewrap.UserMode
) {
  const fs = yield* FileSystem.FileSystem
  const [agent, rarely] = [yield* readShipped("agent.pl"), yield* readShipped("agentRarely.pl")]
  const [launcher, walls] = [yield* readShipped("launcher.pl"), yield* readShipped("launcherWalls.pl")]
  yield* fs.writeFileString(
    `${runDirectory}/agent.pl`,
    mode === "two"
      ? `my $rarely = '';\n${agent}\n${rarely}`
      : `my $rarely = <<'RARELY';\n${rarely}RARELY\n${agent}`
  )
  yield* fs.writeFileString(`${runDirectory}/launcher.pl`, `${launcher}\n${walls}`)
})

/** Writes the host's own programs where every sandbox's root takes them from. */
const writePrograms = Effect.fn("Isolation.writePrograms")(function* (
  runDirectory: string,
  programs: HostOptions["programs"]
) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(`${runDirectory}/programs`, { mode: 0o755 })
  return yield* Effect.forEach(programs, ({ place, text }, index) => {
    const source = `${runDirectory}/programs/${index}`
    return Effect.as(fs.writeFileString(source, `#!/usr/bin/perl\n${text}`, { mode: 0o755 }), [
      source,
      place
    ] as const)
  })
})

/** Whether a sandbox's uid can reach a directory: every ancestor must let others pass. */
const isReachable = Effect.fn("Isolation.isReachable")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const parts = directory.split("/").filter((part) => part !== "")
  const ancestors = parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)
  return yield* Effect.every(ancestors, (ancestor) =>
    fs.stat(ancestor).pipe(
      Effect.map(
        (info) => info.type === "Directory" && (!ThisProcess.isRoot || (info.mode & 0o005) === 0o005)
      ),
      Effect.orElseSucceed(() => false)
    )
  )
})

const checkToolchain = Effect.fn("Isolation.checkToolchain")(function* (given: string) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* Effect.orElseSucceed(fs.realPath(given), () => given)
  if (directory !== "/" && (yield* isReachable(directory))) return directory
  return yield* new IsolationUnavailable({
    reason: `the toolchain directory ${given} cannot be read by other users`,
    remedy: `chmod o+rx ${given} and its parents, or move it to /opt`
  })
})

/** The running node's installation, when it is not part of /usr and sandboxes can reach it. */
const nodeInstallation = Effect.fn("Isolation.nodeInstallation")(function* () {
  const path = yield* Path.Path
  const prefix = path.dirname(path.dirname(ThisProcess.nodePath))
  const apart = prefix !== "/" && prefix !== "/usr" && !prefix.startsWith("/usr/")
  return apart && (yield* isReachable(prefix)) ? [prefix] : []
})

const makeSlots = (options: HostOptions) => {
  const limit = Math.min(options.maxSandboxes, MOST_SANDBOXES)
  const free = Array.from({ length: limit }, (_, index) => limit - 1 - index)
  return Held.acquireRelease(
    Effect.suspend(() => {
      const slot = free.pop()
      return slot === undefined ? new NoFreeSlot({ limit }) : Effect.succeed(slot)
    }),
    (slot) => Effect.sync(() => void free.push(slot))
  )
}

const describe = (
  mode: Bubblewrap.UserMode,
  toolchains: ReadonlyArray<string>,
  cgroups: Option.Option<Cgroups>
): IsolationDescription => ({
  mechanism: "bubblewrap",
  namespaces: ["user", "pid", "mount", "net", "ipc", "uts", "cgroup"],
  users: mode === "two" ? "own uids" : "shared uid",
  seccomp: "docker default",
  network: "none",
  caps: Option.match(cgroups, { onNone: () => "rlimits only", onSome: ({ kind }) => kind }),
  toolchains
})

const capsOf = (options: HostOptions, mode: Bubblewrap.UserMode) => ({
  memoryBytes: options.memoryBytes,
  processors: (ThisProcess.processors * options.cpuPercent) / 100,
  processes: options.processes + serving[mode]
})

/**
 * Bytes of data stand in for memory: what a program reserves and never writes to, as Node does, counts to no limit but the
 * address space's. Before Linux 5.14 a limit of processes would count all that the user runs on this machine.
 */
const programLimits = Effect.fn("Isolation.programLimits")(function* (
  options: HostOptions,
  cgroups: Option.Option<Cgroups>
) {
  if (Option.isSome(cgroups)) return { processes: 0, dataBytes: 0 }
  const counted = ThisProcess.isRoot || ThisProcess.kernel >= 5.14
  return { processes: counted ? options.processes : 0, dataBytes: options.memoryBytes }
})

/** Prepares everything that sandboxes are made from and starts the launcher. Nothing is proven until `SelfCheck` has run. */
export const make = Effect.fn("Isolation.make")(
  function* (options: HostOptions) {
    const fs = yield* FileSystem.FileSystem
    const processor = yield* architecture
    const bwrap = yield* findBwrap
    yield* checkPerl
    const given = yield* Effect.forEach(options.toolchains, checkToolchain)
    const toolchains = [...new Set([...given, ...(yield* nodeInstallation())])]
    const mode: Bubblewrap.UserMode = ThisProcess.isRoot ? "two" : "one"
    const runDirectory = yield* RunDirectory.make()
    yield* GuestEtc.write(`${runDirectory}/etc`)
    yield* fs.writeFile(`${runDirectory}/seccomp.bpf`, Seccomp.filter(processor))
    yield* writePerl(runDirectory, mode)
    const cgroups = yield* CgroupSetup.make(capsOf(options, mode))
    const programs = yield* writePrograms(runDirectory, options.programs)
    const root = yield* GuestRoot.find(`${runDirectory}/etc`, toolchains, programs)
    const hierarchies = Option.match(cgroups, { onNone: () => [], onSome: (found) => found.hierarchies })
    const limits = yield* programLimits(options, cgroups)
    const disk = { bytes: diskBudget(options), inodes: inodeBudget(options) }
    const rootPlan = mode === "two" ? { disk, root, programLimits: limits } : undefined
    yield* fs.writeFileString(`${runDirectory}/plan`, LaunchPlan.text(hierarchies, rootPlan))
    if (rootPlan !== undefined) yield* fs.makeDirectory(`${runDirectory}/disk`, { mode: 0o700 })
    const agent = [processor, mode, String(limits.processes), String(limits.dataBytes)]
    const bwrapArguments =
      mode === "two" ? Bubblewrap.walls(`${runDirectory}/root`) : Bubblewrap.sandbox(root, options, agent)
    const launcher = yield* Launcher.make({
      ...{ architecture: processor, mode, runDirectory, bwrap, bwrapArguments }
    })
    return {
      ...{ options, launcher, mode, cgroups },
      path: [...toolchains.map((directory) => `${directory}/bin`), SYSTEM_PATH].join(":"),
      slot: makeSlots(options),
      description: describe(mode, toolchains, cgroups)
    } satisfies Isolation
  },
  Effect.catchTags({
    SystemError: (error) =>
      new IsolationUnavailable({
        reason: error.message,
        remedy: "make the named path accessible to this user"
      }),
    BadArgument: (error) =>
      new IsolationUnavailable({
        reason: error.message,
        remedy: "make the named path accessible to this user"
      })
  })
)
