import { canonicalName } from "@bulkhead/domain"
import { Option } from "effect"
import ipaddr from "ipaddr.js"

/** What a program asks to be connected to: by a name, or by an address. */
export interface Endpoint {
  readonly kind: "name" | "address"
  /** In its one usual form: lower case, an address as RFC 5952 has it and without brackets. */
  readonly host: string
  readonly port: number
}

const usualAddress = (text: string): Option.Option<string> => {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return Option.some(ipaddr.IPv4.parse(text).toString())
  if (text.includes("%") || !ipaddr.IPv6.isValid(text)) return Option.none()
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? Option.none() : Option.some(address.toRFC5952String())
}

/** An address in the one text that everybody reads alike. None: the text is no address, or another text for one. */
const canonicalAddress = (text: string) => {
  const lower = text.toLowerCase()
  return Option.filter(usualAddress(lower), (usual) => usual === lower)
}

/**
 * Reads a host as programs give it. None: it is neither a name nor an address in its usual form. Numbers in other
 * systems, short forms, mapped addresses, zones and a dot at the end are refused, since others may read them otherwise.
 */
export const make = (host: string, port: number): Option.Option<Endpoint> => {
  if (!Number.isInteger(port) || port < 1 || port > 65_535 || host.endsWith(".")) return Option.none()
  const address = canonicalAddress(host)
  if (Option.isSome(address)) return Option.some({ kind: "address", host: address.value, port })
  return Option.map(canonicalName(host), (name) => ({ kind: "name", host: name, port }))
}

/** Reads `host:port` or `[IPv6]:port` of a request. `defaultPort` stands for one that is missing. */
export const parse = (authority: string, defaultPort?: number): Option.Option<Endpoint> => {
  const found = /^(?:\[([0-9a-f:.]+)\]|([^:[\]@/?#\s]+))(?::([1-9][0-9]{0,4}))?$/i.exec(authority)
  if (found === null) return Option.none()
  const [, bracketed, plain = "", port] = found
  const number = port === undefined ? defaultPort : Number(port)
  if (number === undefined) return Option.none()
  return Option.filter(
    make(bracketed ?? plain, number),
    ({ host }) => (bracketed !== undefined) === host.includes(":")
  )
}

/** As it stands in a Host header. */
export const authorityOf = ({ host, port }: Endpoint, defaultPort: number): string => {
  const bare = host.includes(":") ? `[${host}]` : host
  return port === defaultPort ? bare : `${bare}:${port}`
}
