import { Array as Arr, Either, Option } from "effect"
import ipaddr from "ipaddr.js"
import { coversNetwork, isAddress, isInNetwork, type Network } from "./IpAddress.js"

/** A name of the DNS, or with `isWildcard` all names below it; at one port, or at any. */
export interface NameTarget {
  readonly _tag: "Name"
  /** In lower case, without a dot at its end; of a wildcard what comes after `*.`. */
  readonly name: string
  readonly isWildcard: boolean
  readonly port?: number
}

/** The addresses of a network, or one address; at one port, or at any. */
export interface AddressTarget {
  readonly _tag: "Address"
  readonly network: Network
  readonly port?: number
}

/** What a program may, or may not, connect to. */
export type NetworkTarget = NameTarget | AddressTarget

/** What a program connects to: by a name, by an address, or by a name of which the address is known. */
export interface Destination {
  /** As `canonicalName` gives it. */
  readonly name?: string
  /** In its usual form. */
  readonly address?: string
  readonly port: number
}

/** Most characters of a target. */
export const mostTargetCharacters = 260

const accepted = "a name (pypi.org), *. and a name, an IP address or a network (203.0.113.0/24), maybe :port"

const mostNameCharacters = 253
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
/** With such an end, resolvers take a name for an address of IPv4 in one of its other spellings. */
const numeric = /^(?:[0-9]+|0x[0-9a-f]*)$/

/**
 * A name of the DNS in the one form in which it is compared: lower case, no dot at its end. None: it is no such name, for
 * instance an address in any of its spellings.
 */
export const canonicalName = (text: string): Option.Option<string> => {
  const name = text.toLowerCase().replace(/\.$/, "")
  const labels = name.length <= mostNameCharacters ? name.split(".") : []
  const isName = labels.length > 0 && labels.every((each) => label.test(each))
  return isName && !numeric.test(labels.at(-1) ?? "") ? Option.some(name) : Option.none()
}

interface Parts {
  readonly host: string
  readonly port?: string
}

/** An IPv6 address has colons of its own, so that with a port it stands in brackets. */
const partsOf = (text: string): Parts => {
  const [, inside, ofInside] = /^\[([^[\]]*)\](?::(.*))?$/.exec(text) ?? []
  if (inside !== undefined) return { host: inside, ...(ofInside !== undefined && { port: ofInside }) }
  const [, host, port] = /^([^:]*):([^:]*)$/.exec(text) ?? []
  return host !== undefined && port !== undefined ? { host, port } : { host: text }
}

const portOf = (text: string): number | undefined => {
  const port = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}

/** Of IPv4 in IPv6, the network of IPv4. */
const plain = (address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): Network =>
  address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= 96
    ? [address.toIPv4Address(), bits - 96]
    : [address, bits]

const baseOf = (network: string) =>
  network.includes(":")
    ? ipaddr.IPv6.networkAddressFromCIDR(network)
    : ipaddr.IPv4.networkAddressFromCIDR(network)

const networkOf = (host: string): Either.Either<Network, string> => {
  const [address = "", bits] = host.split("/")
  // A zone names an interface of one machine.
  if (!isAddress(address) || host.includes("%")) return Either.left(`expected ${accepted}`)
  if (bits === undefined) return Either.right(plain(ipaddr.parse(address), address.includes(":") ? 128 : 32))
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(bits) || !ipaddr.isValidCIDR(host))
    return Either.left(`expected a prefix of 0 to ${address.includes(":") ? 128 : 32} bits after the /`)
  const base = baseOf(host)
  return base.toNormalizedString() === ipaddr.parse(address).toNormalizedString()
    ? Either.right(plain(base, Number(bits)))
    : Either.left(`expected ${base}/${bits}, since an address of a network has no bits after its prefix`)
}

const nameOf = (host: string): Either.Either<NameTarget, string> => {
  const isWildcard = host.startsWith("*.")
  const name = canonicalName(isWildcard ? host.slice(2) : host)
  if (Option.isSome(name)) return Either.right({ _tag: "Name", name: name.value, isWildcard })
  if (/[^\0-\x7f]/.test(host))
    return Either.left("expected ASCII: a name of other letters is written as xn--…")
  return Either.left(`expected ${accepted}`)
}

const hostTarget = (host: string): Either.Either<NetworkTarget, string> =>
  host.includes(":") || host.includes("/") || /^[0-9.]+$/.test(host)
    ? Either.map(networkOf(host), (network): NetworkTarget => ({ _tag: "Address", network }))
    : nameOf(host)

/** Reads a target. Left: what is accepted instead. */
export const parseTarget = (text: string): Either.Either<NetworkTarget, string> => {
  if (text.length > mostTargetCharacters)
    return Either.left(`expected at most ${mostTargetCharacters} characters`)
  if (text.includes("://")) return Either.left(`expected ${accepted}, without a scheme`)
  const { host, port: portText } = partsOf(text)
  const target = hostTarget(host)
  if (portText === undefined || Either.isLeft(target)) return target
  const port = portOf(portText)
  return port === undefined
    ? Either.left("expected a port of 1 to 65535 after the :")
    : Either.right({ ...target.right, port })
}

/** The targets of texts that were found to be some, as all of a policy's are. */
export const targetsOf = (texts: ReadonlyArray<string>): ReadonlyArray<NetworkTarget> =>
  Arr.getRights(texts.map(parseTarget))

const networkText = ([address, bits]: Network) => {
  const isWhole = bits === (address.kind() === "ipv4" ? 32 : 128)
  return isWhole ? address.toString() : `${address.toString()}/${bits}`
}

/** The target as a text, in the one form that means it. */
export const targetText = (target: NetworkTarget): string => {
  const host =
    target._tag === "Name" ? `${target.isWildcard ? "*." : ""}${target.name}` : networkText(target.network)
  if (target.port === undefined) return host
  return host.includes(":") ? `[${host}]:${target.port}` : `${host}:${target.port}`
}

const isBelow = (name: string, apex: string) => name.endsWith(`.${apex}`)

const hasName = ({ name, isWildcard }: NameTarget, asked: string) =>
  isWildcard ? isBelow(asked, name) : asked === name

/** Whether the target names this destination. */
export const matchesTarget = (target: NetworkTarget, { name, address, port }: Destination): boolean => {
  if (target.port !== undefined && target.port !== port) return false
  return target._tag === "Name"
    ? name !== undefined && hasName(target, name)
    : address !== undefined && isInNetwork(address, target.network)
}

const namesCover = (wide: NameTarget, narrow: NameTarget) =>
  narrow.isWildcard
    ? wide.isWildcard && (narrow.name === wide.name || isBelow(narrow.name, wide.name))
    : hasName(wide, narrow.name)

/** Whether every destination that the second target names is named by the first. What a name stands for is not known. */
export const coversTarget = (wide: NetworkTarget, narrow: NetworkTarget): boolean => {
  if (wide.port !== undefined && wide.port !== narrow.port) return false
  if (wide._tag === "Name") return narrow._tag === "Name" && namesCover(wide, narrow)
  return narrow._tag === "Address" && coversNetwork(wide.network, narrow.network)
}

/** Whether a destination may be named by both. A name may stand for an address of any network. */
export const overlapsTarget = (one: NetworkTarget, other: NetworkTarget): boolean => {
  if (one.port !== undefined && other.port !== undefined && one.port !== other.port) return false
  if (one._tag !== other._tag) return true
  const { port: _, ...first } = one
  const { port: __, ...second } = other
  return coversTarget(first, second) || coversTarget(second, first)
}
