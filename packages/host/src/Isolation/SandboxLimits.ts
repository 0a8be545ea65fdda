import { Option } from "effect"
import type { Caps, Cgroups } from "../Cgroups/Cgroups.js"
import { type HostOptions, mostConnections, networkDefaults } from "../HostOptions.js"
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

/** Bytes of a connection that is carried to the gate: two buffers in the relay, and what the kernel may hold. */
const CARRIED_BYTES = 2 * 16_384 + 4 * 131_072

/** Where sandboxes may have a network, one more process serves each (relay.c). */
const relayOf = ({ network }: HostOptions) => {
  if (network === undefined) return { memoryBytes: 0, processes: 0 }
  const connections = mostConnections({ ...networkDefaults, ...network })
  return { memoryBytes: connections * CARRIED_BYTES, processes: 1 }
}

/** Before this kernel an unprivileged user's limit of processes counts all that it runs on this machine. */
const KERNEL_WITH_LIMITS_PER_NAMESPACE = 5.14

/** What a sandbox's cgroups allow. */
export const caps = (options: HostOptions, uids: KernelUids): Caps => ({
  memoryBytes: options.memoryBytes,
  processors: (ThisProcess.processors * options.cpuPercent) / 100,
  processes: options.processes,
  keepers: {
    memoryBytes: KEEPERS_MEMORY + relayOf(options).memoryBytes,
    processes: serving[uids] + relayOf(options).processes
  }
})

/** Of a sandbox's memory: the share that descriptors may hold beside it, and that connections nobody accepted may. */
const DESCRIPTORS_SHARE = 1 / 16
const CONNECTIONS_SHARE = 1 / 32
/** Bytes that no cgroup counts: measured of the costliest descriptor, and the most of a connection (sockets.h). */
const DESCRIPTOR_BYTES = 1024
const CONNECTION_BYTES = 131_072

/** No fewer than a language's own runtime needs, no more than programs are used to. */
const descriptors = ({ memoryBytes, processes }: HostOptions) => {
  const fair = Math.floor((memoryBytes * DESCRIPTORS_SHARE) / DESCRIPTOR_BYTES / processes)
  return Math.min(Math.max(fair, 256), 4096)
}

/** No fewer than a busy server's. */
const connections = ({ memoryBytes }: HostOptions) =>
  Math.max(Math.floor((memoryBytes * CONNECTIONS_SHARE) / CONNECTION_BYTES), 64)

/**
 * What no cgroup counts, and for hosts without cgroups the resource limits of single programs. Memory is limited as
 * bytes of data, since programs such as Node reserve far more address space than they use.
 */
export const ofPrograms = (options: HostOptions, cgroups: Option.Option<Cgroups>): ProgramLimits => {
  const uncounted = { descriptors: descriptors(options), connections: connections(options) }
  if (Option.isSome(cgroups)) return { ...uncounted, processes: 0, dataBytes: 0 }
  const isCounted = ThisProcess.isRoot || ThisProcess.kernel >= KERNEL_WITH_LIMITS_PER_NAMESPACE
  return { ...uncounted, processes: isCounted ? options.processes : 0, dataBytes: options.memoryBytes }
}
