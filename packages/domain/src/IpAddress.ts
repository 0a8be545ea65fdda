import { Option } from "effect"
import ipaddr from "ipaddr.js"

/** A network of IP addresses: one of them, and how many of its first bits all of them have. */
export type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number]

/** A network like `10.0.0.0/8` or `fd00::/8`, or one address. None: it is neither. */
export const parseNetwork = (text: string): Option.Option<Network> => {
  if (ipaddr.isValidCIDR(text)) return Option.some(ipaddr.parseCIDR(text))
  if (!isAddress(text)) return Option.none()
  const address = ipaddr.process(text)
  return Option.some([address, address.kind() === "ipv4" ? 32 : 128])
}

/** Whether a text is an IP address in its usual form. `010.1`, `0x7f.1` and the like are none. */
export const isAddress = (text: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text)

const isWithin = (address: ipaddr.IPv4 | ipaddr.IPv6, [network, bits]: Network) =>
  address.kind() === network.kind() && address.match([network, bits] as [ipaddr.IPv4, number])

/** Whether an address, in its usual form, is in a network. Of `::ffff:a.b.c.d` it is the IPv4 address that counts. */
export const isInNetwork = (text: string, network: Network): boolean =>
  isAddress(text) && isWithin(ipaddr.process(text), network)

/** Whether two texts are one address. `::ffff:a.b.c.d` is that of IPv4. */
export const isSameAddress = (one: string, other: string): boolean =>
  isAddress(one) &&
  isAddress(other) &&
  ipaddr.process(one).toNormalizedString() === ipaddr.process(other).toNormalizedString()

/** Whether all of the second network is in the first. */
export const coversNetwork = (wide: Network, [address, bits]: Network): boolean =>
  wide[1] <= bits && isWithin(address, wide)

/**
 * What one machine has to itself: an address of IPv4, also as `::ffff:a.b.c.d`, or a whole /64 of IPv6. What is no
 * address stays as it is.
 */
export const machineOf = (text: string): string => {
  if (!isAddress(text)) return text
  const address = ipaddr.process(text)
  return address.kind() === "ipv4"
    ? address.toString()
    : ipaddr.IPv6.networkAddressFromCIDR(`${text}/64`).toString()
}

/** All that is routed of IPv6. What is not in it embeds addresses of IPv4, is local, or is nobody's yet. */
const globalIpv6: Network = ipaddr.parseCIDR("2000::/3")

/** Looks public, and is the agent of a cloud's machines. */
const cloudAgents: ReadonlyArray<Network> = [ipaddr.parseCIDR("168.63.129.16/32")]

/**
 * Whether an address is one of the Internet's: not loopback, private, link-local, multicast, reserved, a carrier's, a
 * cloud's metadata, nor one that embeds another.
 */
export const isPublic = (text: string): boolean => {
  if (!isAddress(text)) return false
  // Of `::ffff:a.b.c.d` it is the IPv4 address that is connected to.
  const address = ipaddr.process(text)
  if (address.range() !== "unicast" || cloudAgents.some((agent) => isWithin(address, agent))) return false
  return address.kind() === "ipv4" || isWithin(address, globalIpv6)
}

/** Whether an address may be connected to: a public one, or one in these networks. */
export const isAllowed = (text: string, networks: ReadonlyArray<Network>): boolean =>
  isPublic(text) || networks.some((network) => isInNetwork(text, network))
