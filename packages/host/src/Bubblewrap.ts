import { FileSystem } from "@effect/platform"
import { Effect, Option } from "effect"
import { HOSTNAME } from "./GuestEtc.js"
import type { HostOptions } from "./HostOptions.js"

/** Whether guests have two kernel uids of their own (host is root), or the host's one. */
export type UserMode = "two" | "one"

// Descriptors that launcher.pl lays out for bwrap.
const INFO_FD = "4"
const SECCOMP_FD = "5"

const namespaces = [
  ...["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"],
  ...["--hostname", HOSTNAME],
  ...["--new-session", "--die-with-parent", "--as-pid-1", "--clearenv"]
]

/** /bin, /lib and so on as the host has them: links into /usr, or directories of their own. */
const systemDirectories = Effect.fn("Bubblewrap.systemDirectories")(function* () {
  const fs = yield* FileSystem.FileSystem
  const found = yield* Effect.forEach(["bin", "sbin", "lib", "lib32", "lib64", "libx32"], (name) =>
    fs.readLink(`/${name}`).pipe(
      Effect.map((target) => ["--symlink", target, `/${name}`]),
      Effect.orElse(() =>
        Effect.map(fs.exists(`/${name}`), (exists) => (exists ? ["--ro-bind", `/${name}`, `/${name}`] : []))
      )
    )
  )
  return ["--ro-bind", "/usr", "/usr", ...found.flat()]
})

const bindToolchain = (directory: string): ReadonlyArray<string> => {
  const parts = directory.split("/").filter((part) => part !== "")
  const parents = parts.slice(0, -1).map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)
  return [
    ...parents.flatMap((parent) => ["--perms", "0755", "--dir", parent]),
    ...["--ro-bind", directory, directory]
  ]
}

const tmpfs = (path: string, mode: string, bytes: number) => [
  ...["--size", String(bytes), "--perms", mode],
  ...["--tmpfs", path]
]

const writable = (options: HostOptions): ReadonlyArray<string> => [
  ...["--proc", "/proc", "--dev", "/dev"],
  ...tmpfs("/dev/shm", "1777", options.sharedMemoryBytes),
  ...["--remount-ro", "/dev"],
  ...tmpfs("/tmp", "1777", options.tmpBytes),
  ...tmpfs("/home", "0755", options.homeBytes),
  ...["--perms", "0755", "--dir", "/home/user", "--perms", "0700", "--dir", "/home/root"],
  ...[
    "--symlink",
    "home/root",
    "/root",
    "--perms",
    "0755",
    "--dir",
    "/run",
    "--perms",
    "0755",
    "--dir",
    "/var"
  ],
  ...["--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run"],
  ...["--chdir", "/", "--remount-ro", "/"]
]

// Chown is given up by the agent as soon as the home has its owner.
const capabilities = (mode: UserMode): ReadonlyArray<string> => [
  ...["--cap-drop", "ALL"],
  ...(mode === "two"
    ? ["CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN"].flatMap((cap) => ["--cap-add", cap])
    : [])
]

/** What bwrap is told for every sandbox alike, up to and with the agent's command line. */
export const makeArguments = Effect.fn("Bubblewrap.makeArguments")(function* (setup: {
  readonly options: HostOptions
  readonly mode: UserMode
  readonly architecture: string
  readonly etc: string
  readonly toolchains: ReadonlyArray<string>
}) {
  const system = yield* systemDirectories()
  return [
    ...namespaces,
    ...system,
    ...["--ro-bind", setup.etc, "/etc"],
    ...setup.toolchains.flatMap(bindToolchain),
    ...writable(setup.options),
    ...capabilities(setup.mode),
    ...["--seccomp", SECCOMP_FD, "--info-fd", INFO_FD],
    ...["--", "/usr/bin/perl", "-", setup.architecture, setup.mode]
  ]
})

/** Where bwrap is installed. */
export const find = Effect.fn("Bubblewrap.find")(function* () {
  const fs = yield* FileSystem.FileSystem
  const places = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"]
  const found = yield* Effect.filter(places, (place) => fs.exists(place))
  return Option.fromNullable(found[0])
})
