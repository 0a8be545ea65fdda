import { type ChildProcess, spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { statfs } from "node:fs/promises"
import type { Readable, Writable } from "node:stream"
import { FileSystem } from "@effect/platform"
import { Duration, Effect, Schedule, Schema } from "effect"
import { BuildFailure, reasonIn } from "./BuildFailure.js"

/** Something of this machine's that a command sees. */
export interface Bind {
  readonly from: string
  readonly at: string
  readonly writable?: true
}

/** A command that may be hostile. It sees a system, read-only, and what is bound; no home, no environment, no process. */
export interface BuildCommand {
  /** What it does, for people: `Installing from PyPI`. */
  readonly title: string
  readonly words: ReadonlyArray<string>
  readonly binds: ReadonlyArray<Bind>
  readonly env?: Readonly<Record<string, string>>
  /** Whether it has this machine's network; otherwise it has none. */
  readonly network?: true
  /**
   * `many`: it is root over 65,536 users of its own, with root's rights over what is theirs. Only root can give these.
   * `owners`: the same where the tree may be such users', without a network. Otherwise it is the one user that there is,
   * without any right.
   */
  readonly users?: "many" | "owners"
  /** The root whose /usr it sees; this machine's unless told. */
  readonly system?: string
  readonly limit?: Duration.DurationInput
}

type Users = "many" | undefined

const isRoot = process.getuid?.() === 0

/** Kernel ids that nothing else has: the last ones below those of the embedded host's sandboxes. */
const FIRST_ID = 0x6fff0000
const IDS = 65_536

/** What a build leaves free of the disk, in bytes, and of files. */
const LEAST_FREE = 512 * 1_048_576
const LEAST_FILES = 10_000
/** For each process: 6 GiB of data, files of at most 8 GiB. As root, whose commands have own users: 1,024 in all. */
const bounds = [
  ...["prlimit", `--data=${6 * 2 ** 30}`, `--fsize=${8 * 2 ** 30}`, "--nofile=4096", "--core=0"],
  ...(isRoot ? ["--nproc=1024"] : []),
  "--"
]
/** Of what a command says, the last that is kept. */
const MOST_SAID = 262_144

const namespaces = [
  "--unshare-user",
  "--unshare-pid",
  "--unshare-ipc",
  "--unshare-uts",
  "--unshare-cgroup-try"
]

const systemDirectories = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]

/** Of /etc what programs of /usr need to reach a registry; no accounts, no credentials. */
const etcOfMachine = [
  ...["alternatives", "ssl/certs", "ssl/openssl.cnf", "ca-certificates.conf", "ld.so.cache", "ld.so.conf"],
  ...["ld.so.conf.d", "nsswitch.conf", "services", "protocols", "mime.types", "localtime", "debian_version"],
  ...["os-release", "java-17-openjdk", "R"]
]

/** The directories of the system with this root, which bubblewrap finds at another place. */
const systemWords = Effect.fnUntraced(function* (root: string, source: string) {
  const fs = yield* FileSystem.FileSystem
  const directories = yield* Effect.forEach(systemDirectories, (name) =>
    fs.readLink(`${root}/${name}`).pipe(
      Effect.map((target) => ["--symlink", target, `/${name}`]),
      Effect.orElse(() => Effect.succeed(["--ro-bind-try", `${source}/${name}`, `/${name}`]))
    )
  )
  const etc =
    root === ""
      ? etcOfMachine.flatMap((name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`])
      : ["--ro-bind-try", `${source}/etc`, "/etc"]
  return ["--ro-bind", `${source}/usr`, "/usr", ...directories.flat(), ...etc]
})

const bindWords = ({ at, from, writable }: Bind) => [writable ? "--bind" : "--ro-bind", from, at]

const networkWords = ["/etc/resolv.conf", "/etc/hosts"].flatMap((file) => ["--ro-bind-try", file, file])

/** Descriptors over which bubblewrap says who it started, and waits for the users. */
const manyUsers = ["--info-fd", "3", "--userns-block-fd", "4", "--cap-add", "ALL"]

const bubblewrapWords = Effect.fnUntraced(function* (
  command: BuildCommand,
  users: Users,
  source: string,
  binds: ReadonlyArray<Bind>
) {
  const { env = {}, network, system = "", words } = command
  return [
    ...[
      ...bounds,
      "bwrap",
      ...namespaces,
      "--uid",
      "0",
      "--gid",
      "0",
      "--die-with-parent",
      "--new-session",
      "--clearenv"
    ],
    ...(network ? [] : ["--unshare-net"]),
    ...(users === "many" ? manyUsers : ["--cap-drop", "ALL"]),
    ...(yield* systemWords(system, source)),
    ...(network && system === "" ? networkWords : []),
    ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var", "--dir", "/var/tmp"],
    ...["--dir", "/root", "--hostname", "build"],
    ...binds.flatMap(bindWords),
    ...Object.entries({
      PATH: "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/tmp",
      LANG: "C.UTF-8",
      ...env
    }).flatMap(([name, value]) => ["--setenv", name, value]),
    ...["--chdir", "/tmp", "--", ...words]
  ]
})

/**
 * As root, bubblewrap itself is nobody of this machine, so that what it shows must be in that one's reach: it is bound,
 * in a mount namespace that goes with the command, below a directory that everybody may enter.
 */
const asNobody = (staging: string, binds: ReadonlyArray<Bind>, words: ReadonlyArray<string>) => {
  const mounts = binds.flatMap(({ from }, index) => [from, `${staging}/${index}`])
  const script =
    'set -e; while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; exec setpriv ' +
    `--reuid ${FIRST_ID} --regid ${FIRST_ID} --clear-groups --inh-caps=-all --bounding-set=-all -- "$@"`
  return [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    script,
    "sh",
    ...mounts,
    "--",
    ...words
  ]
}

const ChildPid = Schema.parseJson(Schema.Struct({ "child-pid": Schema.Int }))

/** Gives the users to what bubblewrap started, once it says who that is. */
const giveUsers = (child: ChildProcess) => {
  const [info, block] = [child.stdio[3] as Readable, child.stdio[4] as Writable]
  let said = ""
  block.on("error", () => {})
  info.on("data", (bytes: Buffer) => {
    said += bytes.toString()
    if (!said.includes("}")) return
    const found = Schema.decodeUnknownEither(ChildPid)(said)
    if (found._tag === "Left") return
    for (const file of ["uid_map", "gid_map"])
      writeFileSync(`/proc/${found.right["child-pid"]}/${file}`, `0 ${FIRST_ID} ${IDS}\n`)
    block.end("x")
  })
}

interface Ended {
  readonly code: number | null
  readonly said: string
}

/** Whatever of it has ended meanwhile is none of its concern. */
const killGroup = ({ pid }: ChildProcess) =>
  pid === undefined ? Effect.void : Effect.ignore(Effect.try(() => process.kill(-pid, "SIGKILL")))

const closed = (child: ChildProcess) =>
  Effect.async<void>((done) => {
    child.once("close", () => done(Effect.void))
  })

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null

/** Runs it to its end; an interruption kills it, and all that it started with it. */
const runWords = (words: ReadonlyArray<string>, users: Users) =>
  Effect.async<Ended, BuildFailure>((resume) => {
    const [program = "", ...rest] = words
    const child = spawn(program, rest, {
      cwd: "/",
      // A group of its own: what bubblewrap starts ends with it only once it has asked to, and until then is of the group.
      detached: true,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      stdio: ["ignore", "pipe", "pipe", ...(users === "many" ? (["pipe", "pipe"] as const) : [])]
    })
    let said = ""
    const hear = (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-MOST_SAID)
    }
    child.stdout?.on("data", hear)
    child.stderr?.on("data", hear)
    child.once("error", ({ message }) =>
      resume(new BuildFailure({ message: `bubblewrap cannot be run: ${message}` }))
    )
    child.once("close", (code) => resume(Effect.succeed({ code, said })))
    if (users === "many" && child.pid !== undefined) giveUsers(child)
    return Effect.suspend(() =>
      hasEnded(child) ? Effect.void : Effect.zipRight(killGroup(child), closed(child))
    )
  })

/** Fails once the disk of a place has too little left. */
const watchDisk = (place: string) =>
  Effect.tryPromise(() => statfs(place)).pipe(
    Effect.orDie,
    Effect.filterOrFail(
      ({ bavail, bsize, ffree, files }) =>
        bavail * bsize > LEAST_FREE && (files === 0 || ffree > LEAST_FILES),
      () => new BuildFailure({ message: `the disk is full: less than 512 MiB are left at ${place}` })
    ),
    Effect.repeat(Schedule.spaced("1 second")),
    Effect.zipRight(Effect.never)
  )

const staged = Effect.fnUntraced(function* (binds: ReadonlyArray<Bind>) {
  const fs = yield* FileSystem.FileSystem
  const staging = yield* fs.makeTempDirectoryScoped({ directory: "/run", prefix: "bulkhead-image-" })
  yield* fs.chmod(staging, 0o755)
  yield* Effect.forEach(
    binds,
    Effect.fnUntraced(function* ({ from }, index) {
      const { type } = yield* fs.stat(from)
      const place = `${staging}/${index}`
      yield* type === "Directory" ? fs.makeDirectory(place) : fs.writeFileString(place, "")
    }),
    { discard: true }
  )
  return staging
})

/**
 * Runs a command in a sandbox of its own, and gives what it wrote. Fails with its reason when it fails, takes longer
 * than its limit (30 minutes unless told), or leaves the disk too full.
 */
export const run = Effect.fn("BuildSandbox.run")(
  function* (command: BuildCommand) {
    const { limit = Duration.minutes(30), system } = command
    const users = command.users === "owners" ? (isRoot ? "many" : undefined) : command.users
    if (users === "many" && !isRoot)
      return yield* new BuildFailure({ message: "a system of Debian packages can only be built by root" })
    const systemBinds = system === undefined ? [] : [{ from: system, at: system }]
    const binds: ReadonlyArray<Bind> = [...systemBinds, ...command.binds]
    const staging = isRoot ? yield* staged(binds) : ""
    const seen = isRoot ? binds.map((bind, index) => ({ ...bind, from: `${staging}/${index}` })) : binds
    const source = system === undefined ? "" : (seen[0]?.from ?? system)
    const words = yield* bubblewrapWords(command, users, source, seen.slice(systemBinds.length))
    const run = runWords(isRoot ? asNobody(staging, binds, words) : words, users)
    const writable = binds.find(({ writable }) => writable)
    const { code, said } = yield* Effect.raceFirst(
      run,
      writable === undefined ? Effect.never : watchDisk(writable.from)
    ).pipe(
      Effect.timeoutFail({
        duration: limit,
        onTimeout: () => new BuildFailure({ message: `it took longer than ${Duration.format(limit)}` })
      })
    )
    if (code === 0) return said
    yield* Effect.logDebug(said)
    return yield* new BuildFailure({ message: reasonIn(said) })
  },
  Effect.scoped,
  (effect, { title }) =>
    Effect.mapError(effect, ({ message }) => new BuildFailure({ message: `${title}: ${message}` }))
)

/** Gives a directory to who runs commands, so that these can write it. */
export const give = Effect.fn("BuildSandbox.give")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  if (isRoot) yield* fs.chown(directory, FIRST_ID, FIRST_ID)
})
