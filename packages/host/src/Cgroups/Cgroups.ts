import type { Effect, Option, Scope } from "effect"

/** What a sandbox as a whole may use. */
export interface Caps {
  /** Bytes; there is no swap beside it. */
  readonly memoryBytes: number
  /** Processors, in parts of one. */
  readonly processors: number
  /** Processes and threads. */
  readonly processes: number
}

/** A directory in which every sandbox gets a cgroup of its own. */
export interface Hierarchy {
  readonly parent: string
  /** The file that takes in the process that writes 0 to it. */
  readonly join: "tasks" | "cgroup.procs"
  /** Where the sandbox can read its cgroup; empty: nowhere. */
  readonly place: string
  readonly settings: ReadonlyArray<readonly [file: string, value: string]>
}

/** What a sandbox has used. */
export interface CgroupUsage {
  readonly cpuMicros: number
  readonly memoryBytes: number
  /** Of the memory, what the kernel could give back: files it has read. */
  readonly cacheBytes: number
}

/** The cgroups of one host's sandboxes. */
export interface Cgroups {
  readonly kind: "cgroup v1" | "cgroup v2"
  readonly hierarchies: ReadonlyArray<Hierarchy>
  /** Reads what the sandbox of this number uses. */
  readonly usage: (id: number) => Effect.Effect<Option.Option<CgroupUsage>>
}

/** What is known of the machine's cgroups. */
export interface Surroundings {
  /** The text of /proc/self/mountinfo. */
  readonly mounts: string
  /** The text of /proc/self/cgroup. */
  readonly own: string
  readonly isRoot: boolean
}

/** Makes an instance's room in a directory; gives the room and the instance's directory in it. */
export type MakeRoom = (
  directory: string
) => Effect.Effect<{ readonly room: string; readonly instance: string }, unknown, Scope.Scope>
