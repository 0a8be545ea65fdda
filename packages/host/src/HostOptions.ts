import type { Redacted } from "effect"

/** How an embedded host is set up. Every size is in bytes, every time in milliseconds. */
export interface HostOptions {
  /** Address to listen on. Default 127.0.0.1: whoever holds the API key may run code. */
  readonly address: string
  /** TCP port; 0 (the default) takes a free one. */
  readonly port: number
  /** The key that clients must send. Default: a random one, found in `EmbeddedHost.apiKey`. */
  readonly apiKey?: Redacted.Redacted<string>
  /** Directories that programs need beside /usr, bound read-only at the same path; their `bin` leads PATH. Default none. */
  readonly toolchains: ReadonlyArray<string>
  /** Most sandboxes at once. Default 256, at most 2,048; above it, create answers 429. */
  readonly maxSandboxes: number
  /** Longest life a sandbox may ask for. Default 24 hours. */
  readonly maxLifetime: number
  /** Size of the sandbox's home, a private tmpfs. Default 1 GiB. */
  readonly homeBytes: number
  /** Size of the sandbox's /tmp, a private tmpfs. Default 512 MiB. */
  readonly tmpBytes: number
  /** Size of the sandbox's /dev/shm. Default 64 MiB. */
  readonly sharedMemoryBytes: number
  /** How long an ended process can still be connected to. Default 30 s, as envd. */
  readonly keepEnded: number
  /** How long a subscriber may stall a process that others read too before it is cut off. Default 10 s. */
  readonly stallLimit: number
  /** Longest time for a sandbox to come up. Default 15 s. */
  readonly startLimit: number
}

/** The defaults that the fields' comments tell. */
export const defaults: HostOptions = {
  address: "127.0.0.1",
  port: 0,
  toolchains: [],
  maxSandboxes: 256,
  maxLifetime: 24 * 60 * 60 * 1000,
  homeBytes: 1024 * 1024 * 1024,
  tmpBytes: 512 * 1024 * 1024,
  sharedMemoryBytes: 64 * 1024 * 1024,
  keepEnded: 30_000,
  stallLimit: 10_000,
  startLimit: 15_000
}

/** More slots than this would leave the launcher's range of uids. */
export const MOST_SANDBOXES = 2048
