import type { Effect, Option, Scope } from "effect"

/** What a sandbox may use. */
export interface Caps {
  /** Bytes that its programs may have together; there is no swap beside it. */
  readonly memoryBytes: number
  /** Processors; 1.5 is one and a half. */
  readonly processors: number
  /** Processes and threads of its programs. */
  readonly processes: number
  /** What those that serve the programs may have beside that, so that a limit is never theirs. */
  readonly keepers: { readonly memoryBytes: number; readonly processes: number }
}

export type Setting = readonly [file: string, value: string]

/** The cgroup below a sandbox's that its programs are in. */
export const PROGRAM = "program"

/** A directory in which every sandbox gets a cgroup of its own. */
export interface Hierarchy {
  readonly parent: string
  /** The file that a process writes 0 to in order to join. */
  readonly join: "tasks" | "cgroup.procs"
  /** Where in the sandbox its cgroup can be read; empty: nowhere. */
  readonly place: string
  readonly settings: ReadonlyArray<Setting>
  /** The cgroup of the sandbox's programs. Absent where the hierarchy limits only all of it. */
  readonly inner?: {
    /** The one beside it that those go to who serve the programs; empty: they stay in the sandbox's. */
    readonly keepers: string
    /** Each file with its way from the sandbox's cgroup. */
    readonly settings: ReadonlyArray<Setting>
  }
}

/** What a sandbox has used. */
export interface CgroupUsage {
  readonly cpuMicros: number
  readonly memoryBytes: number
  /** The part of the memory that the kernel could take back: files that were read. */
  readonly cacheBytes: number
}

/** The cgroups of one host's sandboxes. */
export interface Cgroups {
  readonly kind: "cgroup v1" | "cgroup v2"
  readonly hierarchies: ReadonlyArray<Hierarchy>
  /** What a sandbox uses, by its number among the launcher's. */
  readonly usage: (id: number) => Effect.Effect<Option.Option<CgroupUsage>>
}

/** What the kernel says of this machine's cgroups. */
export interface Surroundings {
  /** The text of /proc/self/mountinfo. */
  readonly mounts: string
  /** The text of /proc/self/cgroup. */
  readonly own: string
  readonly isRoot: boolean
}

/** Makes a host's own directory of a hierarchy, in the one that all hosts share. */
export type MakeSubtree = (
  directory: string
) => Effect.Effect<{ readonly shared: string; readonly own: string }, unknown, Scope.Scope>
