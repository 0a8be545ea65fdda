import { flawOfPath, shownPath } from "@bulkhead/domain"
import type { Inspector } from "./Inspector.js"

/** What may come out of one file, with all that is packed within one another in it. */
export const bounds = {
  /** Archives and compressed files within one another. A `.tar.gz` has two. */
  depth: 6,
  /** Files, directories and links. */
  entries: 10_000,
  /** Of all their names. */
  nameBytes: 8_388_608,
  unpackedBytes: 1_073_741_824,
  /** What unpacks to more than `harmlessBytes` may unpack to this many times its size. */
  ratio: 100,
  harmlessBytes: 33_554_432
}

/** What has come out of a file so far. Who unpacks counts on. */
export interface Unpacking {
  /** Of the file itself. */
  packedBytes: number
  unpackedBytes: number
  entries: number
  nameBytes: number
}

/** Where a file that is looked at is: by itself, or packed in another. */
export interface Inside {
  readonly name: string
  /** What it is packed in, one within another. */
  readonly depth: number
  readonly unpacking: Unpacking
  readonly harmlessBytes: number
  /** What looks at the file that is described, or what is wrong with its name. */
  readonly inspectorOf: (inside: Inside) => Inspector | string
}

const megabytes = (bytes: number) => Math.round(bytes / 1_048_576)

/** Counts bytes that were unpacked. */
const flawOfUnpacked = ({ harmlessBytes, unpacking }: Inside, bytes: number) => {
  unpacking.unpackedBytes += bytes
  const { packedBytes, unpackedBytes } = unpacking
  if (unpackedBytes > bounds.unpackedBytes)
    return `it unpacks to more than ${megabytes(bounds.unpackedBytes)} MB`
  const isBomb = unpackedBytes > harmlessBytes && unpackedBytes > packedBytes * bounds.ratio
  return isBomb
    ? `it unpacks to more than ${megabytes(harmlessBytes)} MB and ${bounds.ratio} times its size`
    : undefined
}

/** Counts an entry. */
export const flawOfCount = ({ unpacking }: Inside, name: string) => {
  unpacking.entries += 1
  unpacking.nameBytes += name.length
  const isTooMuch = unpacking.entries > bounds.entries || unpacking.nameBytes > bounds.nameBytes
  return isTooMuch ? `it has more than ${bounds.entries} entries, or too long names` : undefined
}

const inspectorIn = (inside: Inside, name: string) =>
  inside.depth >= bounds.depth
    ? `it is packed more than ${bounds.depth} times`
    : inside.inspectorOf({ ...inside, name, depth: inside.depth + 1 })

/** Looks at what comes out of the file that is described, under this name. */
export const unpacked = (inside: Inside, name: string): Inspector => {
  const inner = inspectorIn(inside, name)
  const ofName = typeof inner === "string" ? `it has ${shownPath(name)} in it: ${inner}` : undefined
  const within = (flaw: string | undefined) =>
    flaw === undefined ? undefined : `it has ${shownPath(name)} in it: ${flaw}`
  let isEmpty = true
  return {
    push: (bytes) => {
      isEmpty &&= bytes.length === 0
      const flaw = flawOfUnpacked(inside, bytes.length) ?? ofName
      return flaw ?? (typeof inner === "string" ? undefined : within(inner.push(bytes)))
    },
    end: () => ((ofName ?? (isEmpty || typeof inner === "string")) ? ofName : within(inner.end()))
  }
}

/** The path of an entry within its archive, without what says nothing. */
export const plainPath = (name: string) =>
  name
    .split("/")
    .filter((part, index, parts) => part !== "." && (part !== "" || (index === 0 && parts.length > 1)))
    .join("/")

/** What is wrong with where an archive's entry would be put. */
export const flawOfEntryName = (name: string) => {
  const path = plainPath(name)
  const of = (flaw: string) => `it has an entry with the hostile name ${shownPath(name)}: ${flaw}`
  if (path === "" && name !== "") return undefined
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return of("it is absolute")
  if (path.includes("\\")) return of("it has a backslash")
  const flaw = flawOfPath(path.normalize("NFC"))
  return flaw === undefined ? undefined : of(flaw)
}

/** Whether a link leads to somewhere within its archive, whatever other such links it passes. */
const leadsInside = (path: string, target: string) => {
  if (target === "" || target.startsWith("/") || /[\\\p{Cc}]|^[A-Za-z]:/u.test(target)) return false
  const parts = target.split("/").filter((part) => part !== "" && part !== ".")
  const down = parts.findIndex((part) => part !== "..")
  const climbs = down < 0 ? parts.length : down
  return climbs < path.split("/").length && !parts.slice(climbs).includes("..")
}

const parentsOf = (path: string) => {
  const parts = path.split("/")
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"))
}

/** What is wrong with symbolic links, by their paths, among all paths of an archive. */
export const flawOfLinks = (links: ReadonlyMap<string, string>, paths: Iterable<string>) => {
  for (const [path, target] of links) {
    if (!leadsInside(path, target))
      return `it has the link ${shownPath(path)} in it, which leads out of it: ${shownPath(target)}`
  }
  if (links.size === 0) return undefined
  for (const path of paths) {
    if (parentsOf(path).some((parent) => links.has(parent)))
      return `it has ${shownPath(path)} in it, which is behind a link`
  }
  return undefined
}
