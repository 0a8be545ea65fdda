import { FileSystem } from "@effect/platform"
import { Effect, Option } from "effect"
import { diskBudget, type HostOptions } from "../HostOptions.js"
import { HOSTNAME } from "./GuestEtc.js"
import { type GuestRoot, parentsOf } from "./GuestRoot.js"
import * as LaunchPlan from "./LaunchPlan.js"

// Descriptors that the launcher opens for bwrap.
const INFO_FD = "4"
const SECCOMP_FD = "5"
/** The launcher replaces this word by the arguments that show a sandbox its cgroups. */
const EVIDENCE = "EVIDENCE"

const namespaces = [
  ...["--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"],
  ...["--hostname", HOSTNAME, "--die-with-parent"]
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

/** A root made by bwrap alone. Its writable file systems share the disk budget. */
const bareRoot = (
  { binds, copies, devices, directories, hidden, links, masked, programs }: GuestRoot,
  options: HostOptions
): ReadonlyArray<string> => [
  ...[...copies, ...binds, ...programs].flatMap(bind),
  ...hidden.flatMap((place) => ["--tmpfs", place, "--remount-ro", place]),
  ...["--proc", "/proc", "--dev", "/dev"],
  ...masked.flatMap((file) => ["--ro-bind", "/dev/null", file]),
  ...devices.flatMap(({ place, source }) => ["--dev-bind", source, place]),
  ...tmpfs("/dev/shm", "1777", diskBudget(options) / 16),
  ...["--remount-ro", "/dev"],
  ...tmpfs("/tmp", "1777", (diskBudget(options) * 7) / 16),
  ...tmpfs("/home", "0755", diskBudget(options) / 2),
  ...[...directory("/home/user"), ...directory("/home/root", "0700")],
  ...[...directory("/run"), ...directory("/var")],
  ...directories.flatMap((place) => [...parentsOf(place), place].flatMap((each) => directory(each))),
  ...links.flatMap(([target, place]) => ["--symlink", target, place]),
  EVIDENCE,
  ...["--chdir", "/", "--remount-ro", "/"]
]

/** A sandbox made by bwrap, with the agent at that place as process 1. */
export const sandbox = (
  root: GuestRoot,
  options: HostOptions,
  agent: string,
  limits: LaunchPlan.ProgramLimits,
  groupFiles: number
): ReadonlyArray<string> => [
  ...["--unshare-user", "--uid", "1000", "--gid", "1000"],
  ...[...namespaces, "--unshare-pid", "--as-pid-1", "--new-session", "--clearenv"],
  ...bareRoot(root, options),
  ...["--cap-drop", "ALL", "--seccomp", SECCOMP_FD, "--info-fd", INFO_FD],
  ...["--", agent, "agent", "one", ...[...LaunchPlan.agentWords(limits), groupFiles].map(String)]
]

/** Where bwrap is installed. */
export const find = Effect.fn("Bubblewrap.find")(function* () {
  const fs = yield* FileSystem.FileSystem
  const places = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"]
  const found = yield* Effect.filter(places, (place) => fs.exists(place))
  return yield* Option.fromNullable(found[0])
})
