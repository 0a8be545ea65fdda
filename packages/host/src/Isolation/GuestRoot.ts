import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { ALTERNATIVES } from "./GuestEtc.js"

/** What every sandbox sees alike. Paths are the sandbox's, sources this machine's. */
export interface GuestRoot {
  /** Read-only. */
  readonly binds: ReadonlyArray<readonly [source: string, place: string]>
  /** Directories of the host's own making, whose path is no sandbox's business. */
  readonly copies: ReadonlyArray<readonly [source: string, place: string]>
  readonly links: ReadonlyArray<readonly [target: string, place: string]>
  /** Files of /proc that tell of this machine alone. They read as empty. */
  readonly masked: ReadonlyArray<string>
  /** Executable files of the host's. */
  readonly programs: ReadonlyArray<readonly [source: string, place: string]>
}

type System = Omit<GuestRoot, "copies" | "masked" | "programs">

/** /bin, /lib and so on as the host has them: links into /usr, or directories of their own. */
const systemDirectory = Effect.fn("GuestRoot.systemDirectory")(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const place = `/${name}`
  return yield* fs.readLink(place).pipe(
    Effect.map((target): System => ({ binds: [], links: [[target, place]] })),
    Effect.orElse(() =>
      Effect.map(fs.exists(place), (exists): System => ({ binds: exists ? [[place, place]] : [], links: [] }))
    )
  )
})

/** How this machine was started, what is built into it, its disks, interrupts and keys. */
const hostFacts = [
  ...["cmdline", "config.gz", "modules", "kallsyms", "diskstats", "partitions", "swaps", "interrupts"],
  ...["keys", "key-users"]
].map((name) => `/proc/${name}`)

/** The system's directories, those of the host's own making, the toolchains, and the host's programs. */
export const find = Effect.fn("GuestRoot.find")(function* (
  copies: GuestRoot["copies"],
  toolchains: ReadonlyArray<string>,
  programs: GuestRoot["programs"]
) {
  const fs = yield* FileSystem.FileSystem
  const names = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]
  const system = yield* Effect.forEach(names, systemDirectory)
  const alternatives = yield* fs.exists(ALTERNATIVES)
  return {
    binds: [
      ["/usr", "/usr"],
      ...system.flatMap(({ binds }) => binds),
      ...(alternatives ? [[ALTERNATIVES, ALTERNATIVES] as const] : []),
      ...toolchains.map((directory) => [directory, directory] as const)
    ],
    copies,
    masked: yield* Effect.filter(hostFacts, (file) => fs.exists(file)),
    links: [
      ...system.flatMap(({ links }) => links),
      ["home/root", "/root"],
      ["../tmp", "/var/tmp"],
      ["../run", "/var/run"]
    ],
    programs
  } satisfies GuestRoot
})

/** The directories above a place, the topmost first. */
export const parentsOf = (place: string): ReadonlyArray<string> => {
  const parts = place.split("/").filter((part) => part !== "")
  return parts.slice(0, -1).map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)
}
