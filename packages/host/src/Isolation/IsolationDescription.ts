import { Option } from "effect"
import type { Cgroups } from "../Cgroups/Cgroups.js"
import type { KernelUids } from "./GuestUser.js"

/** What sandboxes are isolated with, for people to read. */
export interface IsolationDescription {
  /** "namespaces": the launcher makes them itself, as root. "bubblewrap": it makes them for a host that is not root. */
  readonly mechanism: "namespaces" | "bubblewrap"
  readonly namespaces: ReadonlyArray<string>
  /** "own uids": each sandbox has two kernel uids of its own. "shared uid": it has the host's, and no root. */
  readonly users: "own uids" | "shared uid"
  readonly seccomp: "stricter than Docker's default"
  /** "through a gate": a sandbox may have it whose request asks for it. */
  readonly network: "none" | "through a gate"
  /** What holds a sandbox to its memory, CPU and processes. Rlimits hold single programs, and no CPU. */
  readonly caps: Cgroups["kind"] | "rlimits only"
  /** Directories beside /usr that sandboxes can read. */
  readonly toolchains: ReadonlyArray<string>
}

export const make = (
  uids: KernelUids,
  toolchains: ReadonlyArray<string>,
  cgroups: Option.Option<Cgroups>,
  hasNetwork: boolean
): IsolationDescription => ({
  mechanism: uids === "two" ? "namespaces" : "bubblewrap",
  namespaces: ["user", "pid", "mount", "net", "ipc", "uts", "cgroup"],
  users: uids === "two" ? "own uids" : "shared uid",
  seccomp: "stricter than Docker's default",
  network: hasNetwork ? "through a gate" : "none",
  caps: Option.match(cgroups, { onNone: () => "rlimits only", onSome: ({ kind }) => kind }),
  toolchains
})
