import {
  type AddressTarget,
  type NetworkPolicy,
  type NetworkTarget,
  overlapsTarget,
  targetsOf,
  targetText
} from "@bulkhead/domain"
import type { NetworkControl } from "@bulkhead/sandbox"

/**
 * How sandboxes are held to a network policy: as E2B does it, as the embedded host does where it was given a network, or
 * not at all, since they have none.
 */
export type NetworkKind = "e2b" | "embedded" | "none"

const isAddress = (target: NetworkTarget): target is AddressTarget => target._tag === "Address"

/** What lies inside, wherever E2B's sandboxes run. */
const inside = targetsOf([
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
  ...["192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3", "168.63.129.16"],
  ...["::/3", "4000::/2", "8000::/1"]
])

const isInside = (target: NetworkTarget) =>
  isAddress(target) && inside.some((network) => overlapsTarget(network, target))

/** Why E2B cannot hold a sandbox to a policy; undefined: it can. */
const flawOnE2B = ({ allow, deny, mode }: NetworkPolicy): string | undefined => {
  if (mode === "off") return undefined
  const allowed = mode === "filtered" ? targetsOf(allow) : []
  const denied = targetsOf(deny)
  const withPort = [...allowed, ...denied].find(({ port }) => port !== undefined)
  if (withPort !== undefined)
    return `expected no ports, E2B does not tell them apart: ${targetText(withPort)}`
  const name = denied.find((target) => !isAddress(target))
  if (name !== undefined)
    return `expected to deny addresses alone, E2B cannot deny names: ${targetText(name)}`
  const local = allowed.find(isInside)
  if (local !== undefined) return `expected to allow public addresses alone: ${targetText(local)}`
  const both = denied.find((target) => allowed.some((each) => overlapsTarget(each, target)))
  return both && `expected to deny nothing that may be allowed, E2B lets that through: ${targetText(both)}`
}

const flawWithoutNetwork = ({ mode }: NetworkPolicy) =>
  mode === "off" ? undefined : "expected the mode off, since the sandboxes here have no network"

/** What such a provider can hold sandboxes to. */
export const controls: Record<NetworkKind, NetworkControl> = {
  e2b: { defaultMode: "open", flawOf: flawOnE2B },
  embedded: { defaultMode: "off", flawOf: () => undefined },
  none: { defaultMode: "off", flawOf: flawWithoutNetwork }
}

/** All addresses, in E2B's words. */
const everything = "0.0.0.0/0"

/** A policy that denies all addresses means it; the word above only means that nothing else is allowed. */
const halves: Readonly<Record<string, ReadonlyArray<string>>> = {
  [everything]: ["0.0.0.0/1", "128.0.0.0/1"],
  "::/0": ["::/1", "8000::/1"]
}

/** The options of the SDK that hold a sandbox to a policy. */
export const optionsOf = ({ allow, deny, mode }: NetworkPolicy) => {
  if (mode === "off") return { allowInternetAccess: false }
  const denied = deny.flatMap((target) => halves[target] ?? [target])
  if (mode === "filtered") return { network: { allowOut: [...allow], denyOut: [everything, ...denied] } }
  return { allowInternetAccess: true, ...(denied.length > 0 && { network: { denyOut: denied } }) }
}
