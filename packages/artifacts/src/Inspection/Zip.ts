import { flawOfPath } from "@bulkhead/domain"
import { atEnd } from "./Inspector.js"

/** The directory of a zip must lie in this many last bytes. */
const directoryBytes = 1_048_576
const mostEntries = 10_000
const mostUncompressed = 1_073_741_824
/** Above this many bytes, what is compressed to less than a hundredth is a bomb. */
const bombBytes = 10_485_760
const mostRatio = 100

interface Entry {
  readonly name: string
  readonly encrypted: boolean
  readonly compressed: number
  readonly uncompressed: number
  readonly offset: number
}

const endRecord = (bytes: Uint8Array) => {
  for (let at = bytes.length - 22; at >= 0 && at >= bytes.length - 65_557; at--) {
    const isRecord =
      bytes[at] === 0x50 && bytes[at + 1] === 0x4b && bytes[at + 2] === 5 && bytes[at + 3] === 6
    if (isRecord) return at
  }
  return -1
}

const readEntry = (view: DataView, at: number) => {
  if (at + 46 > view.byteLength || view.getUint32(at) !== 0x504b0102) return undefined
  const nameLength = view.getUint16(at + 28, true)
  const next = at + 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true)
  if (next > view.byteLength) return undefined
  const name = new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength)
  const entry: Entry = {
    name: new TextDecoder().decode(name),
    encrypted: (view.getUint16(at + 8, true) & 1) === 1,
    compressed: view.getUint32(at + 20, true),
    uncompressed: view.getUint32(at + 24, true),
    offset: view.getUint32(at + 42, true)
  }
  return { entry, next }
}

const archives = /\.(?:zip|jar|war|apk|gz|tgz|bz2|xz|zst|lz4?|7z|rar|tar|cab|iso|docx|xlsx|pptx|odt|ods)$/i
const programs =
  /vbaproject|vbadata|\.(?:exe|dll|so|com|scr|bat|cmd|ps1|vbs?|js|jse|wsf|hta|msi|lnk|sh|py|class|ocx)$/i
const objects = /(?:^|\/)(?:activeX|embeddings)\//i

const flawOfEntry = ({ name, encrypted, compressed, uncompressed }: Entry) => {
  const flaw = flawOfPath(name.endsWith("/") ? name.slice(0, -1) : name)
  if (flaw !== undefined || name.includes("\\")) return "it has an entry with a hostile name"
  if (encrypted) return "it is encrypted"
  if (archives.test(name)) return "it has an archive in it"
  if (programs.test(name)) return "it has a program or macros in it"
  if (objects.test(name)) return "it has embedded objects in it"
  if (uncompressed > bombBytes && uncompressed > compressed * mostRatio) return "it is a zip bomb"
  return undefined
}

const flawOfEntries = (entries: ReadonlyArray<Entry>, end: number) => {
  const inOrder = entries.toSorted((a, b) => a.offset - b.offset)
  let at = 0
  for (const [index, { offset, compressed }] of inOrder.entries()) {
    if (index === 0 && offset !== 0) return "data before its beginning"
    if (offset < at) return "it is a zip bomb"
    at = offset + 30 + compressed
  }
  if (at > end) return "it is a zip bomb"
  const uncompressed = entries.reduce((sum, entry) => sum + entry.uncompressed, 0)
  const compressed = entries.reduce((sum, entry) => sum + entry.compressed, 0)
  const isBomb =
    uncompressed > mostUncompressed || (uncompressed > bombBytes && uncompressed > compressed * mostRatio)
  return isBomb ? "it is a zip bomb" : undefined
}

const flawOfZip = (tail: Uint8Array, size: number, part: string) => {
  const at = endRecord(tail)
  if (at < 0) return "it is cut short"
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  const count = view.getUint16(at + 10, true)
  const length = view.getUint32(at + 12, true)
  const start = view.getUint32(at + 16, true)
  if (at + 22 + view.getUint16(at + 20, true) !== tail.length) return "data after its end"
  if (count > mostEntries || length > directoryBytes / 2) return "it has too many entries"
  const directory = start - (size - tail.length)
  if (directory < 0 || directory + length !== at) return "its directory is not where it says"
  const entries: Array<Entry> = []
  let next = directory
  for (let index = 0; index < count; index++) {
    const read = readEntry(view, next)
    if (read === undefined) return "its directory is broken"
    const flaw = flawOfEntry(read.entry)
    if (flaw !== undefined) return flaw
    entries.push(read.entry)
    next = read.next
  }
  if (next !== at) return "its directory is broken"
  if (!entries.some(({ name }) => name === part)) return "its content is not what its name says"
  return flawOfEntries(entries, start)
}

/** An office document: a zip with a certain part, and without bombs, macros, programs, archives or objects in it. */
export const officeDocument = (part: string) => () =>
  atEnd(directoryBytes, (tail, size) => flawOfZip(tail, size, part))
