import { FileSystem } from "@effect/platform"
import { Effect, Option } from "effect"
import { HOSTNAME } from "./GuestEtc.js"
import { type GuestRoot, parentsOf } from "./GuestRoot.js"
import { diskBudget, type HostOptions } from "./HostOptions.js"

/** Whether guests have two kernel uids of their own (host is root), or the host's one. */
export type UserMode = "two" | "one"

// Descriptors that launcher.pl lays out for bwrap.
const INFO_FD = "4"
const SECCOMP_FD = "5"
/** launcher.pl puts in its place what shows a sandbox its cgroups. */
const EVIDENCE = "EVIDENCE"

const namespaces = [
  ...["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"],
  ...["--hostname", HOSTNAME],
  ...["--new-session", "--die-with-parent", "--as-pid-1", "--clearenv"]
]

const directory = (path: string, mode = "0755") => ["--perms", mode, "--dir", path]

const bind = ([source, place]: readonly [string, string]) => [
  ...parentsOf(place).flatMap((parent) => directory(parent)),
  ...["--ro-bind", source, place]
]

const tmpfs = (path: string, mode: string, bytes: number) => [
  ...["--size", String(Math.floor(bytes)), "--perms", mode],
  ...["--tmpfs", path]
]

/** Everything made by bwrap itself: several file systems, which share the budget. */
const bareRoot = ({ binds, links }: GuestRoot, options: HostOptions): ReadonlyArray<string> => [
  ...binds.flatMap(bind),
  ...["--proc", "/proc", "--dev", "/dev"],
  ...tmpfs("/dev/shm", "1777", diskBudget(options) / 16),
  ...["--remount-ro", "/dev"],
  ...tmpfs("/tmp", "1777", (diskBudget(options) * 7) / 16),
  ...tmpfs("/home", "0755", diskBudget(options) / 2),
  ...[...directory("/home/user"), ...directory("/home/root", "0700")],
  ...[...directory("/run"), ...directory("/var")],
  ...links.flatMap(([target, place]) => ["--symlink", target, place]),
  EVIDENCE,
  ...["--chdir", "/", "--remount-ro", "/"]
]

/** The root that launcher.pl has made, with the devices in it. */
const madeRoot = (root: string) => ["--dev-bind", root, "/", "--proc", "/proc", "--chdir", "/"]

// What the agent needs to start and stop others' programs; and root's programs may give files to the user.
const capabilities = (mode: UserMode): ReadonlyArray<string> => [
  ...["--cap-drop", "ALL"],
  ...(mode === "two"
    ? ["CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN"].flatMap((cap) => ["--cap-add", cap])
    : [])
]

/** Limits of each of the user's programs where no cgroup sets any; 0 is none. */
export interface ProgramLimits {
  readonly processes: number
  readonly dataBytes: number
}

/** What bwrap is told for every sandbox alike, up to and with the agent's command line. */
export const makeArguments = (setup: {
  readonly options: HostOptions
  readonly mode: UserMode
  readonly architecture: string
  /** What to see, or the directory where launcher.pl has made it. */
  readonly root: GuestRoot | string
  readonly programLimits: ProgramLimits
}): ReadonlyArray<string> => {
  const { mode, options, programLimits, root } = setup
  return [
    ...namespaces,
    ...(typeof root === "string" ? madeRoot(root) : bareRoot(root, options)),
    ...capabilities(mode),
    ...["--seccomp", SECCOMP_FD, "--info-fd", INFO_FD],
    ...["--", "/usr/bin/perl", "-", setup.architecture, mode],
    ...[String(programLimits.processes), String(programLimits.dataBytes)]
  ]
}

/** Where bwrap is installed. */
export const find = Effect.fn("Bubblewrap.find")(function* () {
  const fs = yield* FileSystem.FileSystem
  const places = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"]
  const found = yield* Effect.filter(places, (place) => fs.exists(place))
  return Option.fromNullable(found[0])
})
