import { networkInterfaces } from "node:os"
import {
  isPublic,
  isSameAddress,
  matchesTarget,
  type NetworkReason,
  type NetworkTarget,
  targetText
} from "@bulkhead/domain"
import type { Endpoint } from "./Endpoint.js"

/** What the programs of one sandbox may speak with. */
export interface NetworkPolicy {
  /** `filtered`: only what `allow` names. `open`: every public address. */
  readonly mode: "filtered" | "open"
  readonly allow: ReadonlyArray<NetworkTarget>
  /** Goes before `allow`. */
  readonly deny: ReadonlyArray<NetworkTarget>
}

/** What holds for every sandbox of a host. */
export interface Surroundings {
  /** Addresses inside that its operator has opened. */
  readonly private: ReadonlyArray<NetworkTarget>
  /** Ports of this machine that nobody reaches, whatever is open. */
  readonly ownPorts: ReadonlyArray<number>
}

const any = (targets: ReadonlyArray<NetworkTarget>, destination: Parameters<typeof matchesTarget>[1]) =>
  targets.some((target) => matchesTarget(target, destination))

/** Whether a name is denied, whoever it is asked of. */
export const isDenied = ({ deny }: NetworkPolicy, name: string, port: number): boolean =>
  any(deny, { name, port })

/** What a name is judged by before anybody is asked for its addresses: to ask could already carry something out. */
export const flawOfName = (policy: NetworkPolicy, name: string, port: number): NetworkReason | undefined => {
  if (isDenied(policy, name, port)) return "denied"
  return policy.mode === "open" || any(policy.allow, { name, port }) ? undefined : "not_allowed"
}

/** Whether an address is one of this machine's interfaces, public or not, in whatever way it is written. */
const isOwn = (address: string) =>
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((own) => isSameAddress(own.address, address))
  )

/** Whether an address is inside: none of the Internet's, or this machine's own; and not opened. */
const isInside = (surroundings: Surroundings, address: string, port: number) => {
  if (isPublic(address) && !isOwn(address)) return false
  return surroundings.ownPorts.includes(port) || !any(surroundings.private, { address, port })
}

/** What an address is judged by, whether a program has asked for it or for a name that has it. */
export const flawOfAddress = (
  policy: NetworkPolicy,
  surroundings: Surroundings,
  address: string,
  { kind, port }: Pick<Endpoint, "kind" | "port">
): NetworkReason | undefined => {
  if (isInside(surroundings, address, port)) return "private_address"
  if (any(policy.deny, { address, port })) return "denied"
  const isAllowed = kind === "name" || policy.mode === "open" || any(policy.allow, { address, port })
  return isAllowed ? undefined : "not_allowed"
}

/** Most targets that are told to a program. */
const mostShown = 20

const allowed = ({ allow }: NetworkPolicy) => {
  if (allow.length === 0) return "nothing is allowed"
  const shown = allow.slice(0, mostShown).map(targetText).join(", ")
  return `allowed: ${shown}${allow.length > mostShown ? ` and ${allow.length - mostShown} more` : ""}`
}

/** What a program is told. */
export const wordsOf = (policy: NetworkPolicy, asked: string, reason: NetworkReason): string => {
  const refused = `network policy: ${asked} is refused`
  switch (reason) {
    case "not_allowed":
      return `network policy: ${asked} is not allowed (${policy.mode}; ${allowed(policy)})`
    case "denied":
      return `network policy: ${asked} is denied`
    case "private_address":
      return `${refused}: it is an address inside (private, loopback, link-local or reserved)`
    case "connection_limit":
      return `${refused}: too many connections are open`
    case "byte_limit":
      return `${refused}: as many bytes as may be were carried`
    case "rate_limit":
      return `${refused}: too many connections were asked for`
    case "tls_name_mismatch":
      return `${refused}: TLS must ask for that name, in the clear`
    case "malformed":
      return `${refused}: it is no well-formed request for a name or an address`
    case "no_such_name":
      return `${asked} has no address`
    case "unreachable":
      return `${asked} cannot be reached`
  }
}
