import { isAddress, isAllowed, type Network } from "@bulkhead/domain"

/** The host of a URL, an IPv6 address without its brackets. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, "$1")

const isLocalName = (host: string) => /(^|\.)localhost\.?$/i.test(host)

/** Ports of other protocols, which would take a request for their own words. */
const isForeignPort = (port: string) => port !== "" && port !== "80" && port !== "443" && Number(port) < 1024

/**
 * Why nothing is sent to a URL, as far as it shows itself; undefined: it may be. What a name stands for is looked up,
 * and judged, each time that something is sent.
 */
export const flawOf = (text: string, networks: ReadonlyArray<Network>): string | undefined => {
  if (!URL.canParse(text)) return "expected a URL"
  const url = new URL(text)
  const host = hostOf(url)
  if (url.protocol !== "https:" && url.protocol !== "http:") return "expected a URL of http or https"
  if (url.username !== "" || url.password !== "") return "expected a URL without a user name or password"
  if (isForeignPort(url.port)) return "expected port 80, 443, or one from 1024 on"
  const isInside = isLocalName(host)
    ? !isAllowed("127.0.0.1", networks)
    : isAddress(host) && !isAllowed(host, networks)
  return isInside ? "expected a public address, not one inside" : undefined
}
