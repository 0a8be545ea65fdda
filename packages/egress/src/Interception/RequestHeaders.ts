import { Redacted } from "effect"
import type { Pair } from "../Headers.js"
import type { HostSecret } from "./HostSecret.js"

/** What a request may have had replaced in it, and the names of the secrets that were used. */
export interface Substituted {
  readonly headers: ReadonlyArray<Pair>
  readonly used: ReadonlySet<string>
}

const basic = /^(Basic\s+)([A-Za-z0-9+/]+={0,2})\s*$/i

/** An answer must come as it can be searched, and whole: of a part, the neighbours are not known. */
const ownHeaders = new Set(["accept-encoding", "range", "if-range"])

/** Puts the values of secrets in the place of their placeholders, also within the credentials of `Basic`. */
export const substitute = (pairs: ReadonlyArray<Pair>, secrets: ReadonlyArray<HostSecret>): Substituted => {
  const used = new Set<string>()
  const set = secrets.flatMap(({ header, name, value }) =>
    header === undefined
      ? []
      : [{ name, pair: [header.name, header.form.replaceAll("{}", () => Redacted.value(value))] as const }]
  )
  const replaced = secrets.filter(({ header }) => header === undefined)
  const inText = (text: string) =>
    replaced.reduce((sofar, { name, placeholder, value }) => {
      if (!sofar.includes(placeholder)) return sofar
      used.add(name)
      return sofar.replaceAll(placeholder, () => Redacted.value(value))
    }, text)
  const inValue = (text: string) => {
    const [, scheme, credentials] = basic.exec(text) ?? []
    if (scheme === undefined || credentials === undefined) return inText(text)
    const plain = Buffer.from(credentials, "base64").toString("latin1")
    const filled = inText(plain)
    return filled === plain ? text : `${scheme}${Buffer.from(filled, "latin1").toString("base64")}`
  }
  const setNames = new Set(set.map(({ pair: [name] }) => name.toLowerCase()))
  for (const { name } of set) used.add(name)
  const kept = pairs
    .filter(([name]) => !ownHeaders.has(name.toLowerCase()) && !setNames.has(name.toLowerCase()))
    .map(([name, value]): Pair => (name.toLowerCase() === "host" ? [name, value] : [name, inValue(value)]))
  return { headers: [...kept, ...set.map(({ pair }) => pair), ["Accept-Encoding", "identity"]], used }
}

/** Bytes of headers, as they are written. */
export const sizeOf = (pairs: ReadonlyArray<Pair>) =>
  pairs.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
