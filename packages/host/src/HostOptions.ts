import type { NetworkTarget } from "@bulkhead/domain"
import type { NameResolver, NetworkLimits } from "@bulkhead/egress"
import type { Context, Redacted } from "effect"

/** What sandboxes may have of the network. A request for a sandbox says what it gets. */
export interface HostNetwork extends NetworkLimits {
  /** What a sandbox has whose request says nothing. Default `off`. */
  readonly default: "off" | "open"
  /** Addresses inside that sandboxes may speak with, where their policy lets them. Default none. */
  readonly private: ReadonlyArray<NetworkTarget>
  /** Certificates, in PEM, that are trusted of hosts which get secrets, beside Mozilla's. Default none. */
  readonly authorities: ReadonlyArray<string>
  /** Who is asked for the addresses of names. Default: the DNS servers of this machine. */
  readonly names?: Context.Tag.Service<NameResolver>
}

/** How an embedded host is set up. Every size is in bytes, every time in milliseconds. */
export interface HostOptions {
  /** Address to listen on. Default 127.0.0.1: anyone who holds the API key can run code. */
  readonly address: string
  /** TCP port; 0 (the default) takes a free one. */
  readonly port: number
  /** The key that clients must send. Default: a random one, found in `EmbeddedHost.apiKey`. */
  readonly apiKey?: Redacted.Redacted<string>
  /** Directories beside /usr that programs need, bound read-only; their `bin` comes first in PATH. Default none. */
  readonly toolchains: ReadonlyArray<string>
  /**
   * Image directories, as `npm run image` makes them, by the template that clients ask for. Default none: "base" alone,
   * which is the plain sandbox.
   */
  readonly images: Readonly<Record<string, string>>
  /**
   * Where NVIDIA's driver is installed; the GPUs that it has there can be asked for. Default "/": this machine's own.
   */
  readonly nvidiaRoot: string
  /** Most sandboxes at once. Default 256, at most 2,048; above it, create answers 429. */
  readonly maxSandboxes: number
  /** Longest that a sandbox may live. Default 24 hours. */
  readonly maxLifetime: number
  /** Memory of a sandbox, all that it writes to disk included, without swap beside it. Default 2 GiB. */
  readonly memoryBytes: number
  /** CPU of a sandbox, in percent of all of this machine's vCPUs. Default 80: of 4 vCPUs, 3.2 at once. */
  readonly cpuPercent: number
  /** Processes and threads that a program may have at once. Default 128; the few that serve it are not counted. */
  readonly processes: number
  /** What a sandbox may write to home, /tmp and /dev/shm. It lies in memory: default 5 GiB, at most half of that. */
  readonly diskBytes: number
  /** Files and directories that it may write. Default 200,000, but never more than one for each 8 KiB of its memory. */
  readonly inodes: number
  /** How long an ended process can still be connected to. Default 30 s, as envd. */
  readonly keepEnded: number
  /** How long a subscriber may stall a process that others read too before it is cut off. Default 10 s. */
  readonly stallLimit: number
  /** Longest time for a sandbox to come up. Default 15 s. */
  readonly startLimit: number
  /** What sandboxes may have of the network. Default: nothing at all. */
  readonly network?: Partial<HostNetwork>
}

/** What sandboxes have of the network where the operator says only that they may have it. */
export const networkDefaults: HostNetwork = {
  default: "off",
  private: [],
  authorities: [],
  maxConnections: 64,
  maxAttempts: 10_000,
  maxBytes: 1024 * 1024 * 1024,
  bytesPerSecond: 0
}

/** The defaults that are documented above. */
export const defaults: HostOptions = {
  address: "127.0.0.1",
  port: 0,
  toolchains: [],
  images: {},
  nvidiaRoot: "/",
  maxSandboxes: 256,
  maxLifetime: 24 * 60 * 60 * 1000,
  memoryBytes: 2048 * 1024 * 1024,
  cpuPercent: 80,
  processes: 128,
  diskBytes: 5120 * 1024 * 1024,
  inodes: 200_000,
  keepEnded: 30_000,
  stallLimit: 10_000,
  startLimit: 15_000
}

/** Connections of a sandbox's programs to the gate beyond those to the world, so that it can say why there is no more. */
const SPARE_CONNECTIONS = 16

/** Connections of a sandbox's programs that are carried to the gate at once; more wait. */
export const mostConnections = ({ maxConnections }: HostNetwork) => maxConnections + SPARE_CONNECTIONS

/** Bytes that a sandbox may write. The disk lies in memory, so a full one must leave enough to go on. */
export const diskBudget = ({ diskBytes, memoryBytes }: HostOptions) =>
  Math.min(diskBytes, Math.floor(memoryBytes / 2))

/** Files that a sandbox may write: each costs about 1 KiB of its memory. */
export const inodeBudget = ({ inodes, memoryBytes }: HostOptions) =>
  Math.min(inodes, Math.floor(memoryBytes / 8192))

/** Most sandboxes that the launcher's range of uids has room for. */
export const MOST_SANDBOXES = 2048
