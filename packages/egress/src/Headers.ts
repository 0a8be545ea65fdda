/** Names and values by turns, as Node has them. */
export type RawHeaders = ReadonlyArray<string>

export type Pair = readonly [name: string, value: string]

export const pairsOf = (raw: RawHeaders): ReadonlyArray<Pair> =>
  Array.from({ length: Math.floor(raw.length / 2) }, (_, at) => [raw[2 * at] ?? "", raw[2 * at + 1] ?? ""])

/** Of one connection, not of what it carries (RFC 9110, 7.6.1); and what is between a program and the gate. */
const ofConnection = new Set([
  ...[
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "http2-settings"
  ],
  ...["proxy-connection", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization"]
])

/** A body without its length would be read as another request, and a request without its host is for another. */
const neverDropped = new Set(["host", "content-length"])

/** The headers that go on, without those of the connection, whichever its own header names beside the usual ones. */
export const endToEnd = (pairs: ReadonlyArray<Pair>): ReadonlyArray<Pair> => {
  const named = pairs
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => value.split(","))
    .map((name) => name.trim().toLowerCase())
  const dropped = new Set([...ofConnection, ...named.filter((name) => !neverDropped.has(name))])
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase()))
}
