import { Option } from "effect"
import type { Caps, Cgroups } from "../Cgroups/Cgroups.js"
import type { HostOptions } from "../HostOptions.js"
import * as ThisProcess from "../ThisProcess.js"
import type { KernelUids } from "./GuestUser.js"
import type { ProgramLimits } from "./LaunchPlan.js"

/** Processes of the host's in each sandbox: agent, supervisor, one that sends signals, and bwrap where it stays. */
const serving: Record<KernelUids, number> = { two: 3, one: 4 }

/**
 * Bytes beside a sandbox's own for agent and supervisor: 5 MiB of buffers in the agent, three times what is kept of
 * an output in the supervisor, both programs, and what the kernel holds for each process.
 */
const KEEPERS_MEMORY = 24 * 1_048_576

/** Before this kernel an unprivileged user's limit of processes counts all that it runs on this machine. */
const KERNEL_WITH_LIMITS_PER_NAMESPACE = 5.14

/** What a sandbox's cgroups allow. */
export const caps = (options: HostOptions, uids: KernelUids): Caps => ({
  memoryBytes: options.memoryBytes,
  processors: (ThisProcess.processors * options.cpuPercent) / 100,
  processes: options.processes,
  keepers: { memoryBytes: KEEPERS_MEMORY, processes: serving[uids] }
})

/**
 * The resource limits of single programs, for hosts without cgroups. Memory is limited as bytes of data, since
 * programs such as Node reserve far more address space than they use.
 */
export const ofPrograms = (options: HostOptions, cgroups: Option.Option<Cgroups>): ProgramLimits => {
  if (Option.isSome(cgroups)) return { processes: 0, dataBytes: 0 }
  const isCounted = ThisProcess.isRoot || ThisProcess.kernel >= KERNEL_WITH_LIMITS_PER_NAMESPACE
  return { processes: isCounted ? options.processes : 0, dataBytes: options.memoryBytes }
}
