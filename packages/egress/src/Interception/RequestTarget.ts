import type { IncomingMessage } from "node:http"
import { pairsOf } from "../Headers.js"

const httpsPort = 443

/** Whether a request is for this name and port, by what it says itself; or else what is wrong. */
export const flawOf = (
  { headers, method, rawHeaders, url = "" }: IncomingMessage,
  name: string,
  port: number
): string | undefined => {
  const hosts = pairsOf(rawHeaders).filter(([header]) => header.toLowerCase() === "host")
  const host = hosts[0]?.[1]
    .trim()
    .toLowerCase()
    .replace(/\.(?=:|$)/, "")
  const expected = port === httpsPort ? [name, `${name}:${port}`] : [`${name}:${port}`]
  if (hosts.length !== 1 || host === undefined || !expected.includes(host))
    return `the request's Host must be ${expected[0]}, as in the connection`
  if (!url.startsWith("/") && !(method === "OPTIONS" && url === "*"))
    return "the request's target must be a path"
  if (headers.upgrade !== undefined && /\bupgrade\b/i.test(headers.connection ?? ""))
    return "a host that may have a secret is spoken to in HTTP/1.1 alone, without an upgrade"
  return undefined
}
