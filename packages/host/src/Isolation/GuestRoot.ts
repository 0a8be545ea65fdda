import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import type { Device } from "../Gpus/NvidiaDriver.js"
import { ALTERNATIVES } from "./GuestEtc.js"

/** What every sandbox sees alike. Paths are the sandbox's, sources this machine's. */
export interface GuestRoot {
  /** Read-only. */
  readonly binds: ReadonlyArray<readonly [source: string, place: string]>
  /** Directories of the host's own making, whose path is no sandbox's business. */
  readonly copies: ReadonlyArray<readonly [source: string, place: string]>
  readonly links: ReadonlyArray<readonly [target: string, place: string]>
  /** Directories of this machine's /usr that are no program's business. They look empty. */
  readonly hidden: ReadonlyArray<string>
  /** Files that tell of this machine alone. They read as empty. */
  readonly masked: ReadonlyArray<string>
  /** Single files, executable: of the host, or of an image. */
  readonly programs: ReadonlyArray<readonly [source: string, place: string]>
  /** Directories for links alone. */
  readonly directories: ReadonlyArray<string>
  /** Devices of this machine beside those that every sandbox has. */
  readonly devices: ReadonlyArray<Device>
}

/** What the programs of a sandbox come from. */
export interface GuestSystem {
  /** Where its /usr lies: the empty path is this machine's own root. */
  readonly root: string
  /** Directories of this machine that are shown beside it. */
  readonly beside: GuestRoot["binds"]
}

type Directories = Pick<GuestRoot, "binds" | "links">

/** /bin, /lib and so on as the system has them: links into /usr, or directories of their own. */
const systemDirectory = (root: string) =>
  Effect.fnUntraced(function* (name: string) {
    const fs = yield* FileSystem.FileSystem
    const [source, place] = [`${root}/${name}`, `/${name}`] as const
    return yield* fs.readLink(source).pipe(
      Effect.map((target): Directories => ({ binds: [], links: [[target, place]] })),
      Effect.orElse(() =>
        Effect.map(
          fs.exists(source),
          (exists): Directories => ({ binds: exists ? [[source, place]] : [], links: [] })
        )
      )
    )
  })

/** How this machine was started, what is built into it, its disks, interrupts and keys. */
const hostFacts = [
  ...["cmdline", "config.gz", "modules", "kallsyms", "diskstats", "partitions", "swaps", "interrupts"],
  ...["keys", "key-users"]
].map((name) => `/proc/${name}`)

/** What an administrator set for npm and other programs, and sources, among which projects may lie. */
const ownDirectories = ["/usr/etc", "/usr/local/etc", "/usr/src", "/usr/local/src"]

/** What an administrator set for the pip of a Python that is installed there. */
const ownFiles = ["/usr/pip.conf", "/usr/local/pip.conf"]

/** A link leads to where the sandbox has something of its own, or nothing. */
const isThere = (place: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return (yield* fs.realPath(place)) === place
  }).pipe(Effect.orElseSucceed(() => false))

/** The system's directories and those beside it, those of the host's own making, and the host's programs. */
export const find = Effect.fn("GuestRoot.find")(function* (
  { beside, root }: GuestSystem,
  copies: GuestRoot["copies"],
  programs: GuestRoot["programs"]
) {
  const fs = yield* FileSystem.FileSystem
  const names = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]
  const system = yield* Effect.forEach(names, systemDirectory(root))
  const alternatives = yield* fs.exists(`${root}${ALTERNATIVES}`)
  const isOwn = root === ""
  return {
    hidden: yield* Effect.filter(isOwn ? ownDirectories : [], isThere),
    binds: [
      [`${root}/usr`, "/usr"],
      ...system.flatMap(({ binds }) => binds),
      ...(alternatives ? [[`${root}${ALTERNATIVES}`, ALTERNATIVES] as const] : []),
      ...beside
    ],
    copies,
    masked: yield* Effect.filter([...hostFacts, ...(isOwn ? ownFiles : [])], isThere),
    links: [
      ...system.flatMap(({ links }) => links),
      ["home/root", "/root"],
      ["../tmp", "/var/tmp"],
      ["../run", "/var/run"]
    ],
    programs,
    directories: [],
    devices: []
  } satisfies GuestRoot
})

/** The directories above a place, the topmost first. */
export const parentsOf = (place: string): ReadonlyArray<string> => {
  const parts = place.split("/").filter((part) => part !== "")
  return parts.slice(0, -1).map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)
}
