import { Schema } from "effect"

/** Why something was refused, or did not come about. */
export const Reason = Schema.Literal(
  "not_allowed",
  "denied",
  "private_address",
  "no_such_name",
  "connection_limit",
  "byte_limit",
  "rate_limit",
  "tls_name_mismatch",
  "malformed",
  "unreachable"
)
export type Reason = typeof Reason.Type

/** A program's attempt to speak with something outside. */
export interface Attempt {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly protocol: "http" | "connect" | "socks5"
  /** What was asked for: a name or an address, as it was written. At most 300 characters. */
  readonly name: string
  readonly port: number
  readonly decision: "allowed" | "denied"
  /** Why it was denied; or why nothing came of it though it was allowed. */
  readonly reason?: Reason
  /** What was connected to. */
  readonly address?: string
  /** The name of a secret that was used there. */
  readonly secret?: string
}

/** What a sandbox has used of the network. */
export interface NetworkUse {
  /** Connections to the world. */
  readonly connections: number
  /** Attempts that were denied. */
  readonly denied: number
  readonly sentBytes: number
  readonly receivedBytes: number
  /** Attempts that are not kept, since there were too many. */
  readonly missed: number
}
