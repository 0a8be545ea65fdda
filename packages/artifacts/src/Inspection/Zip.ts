import { crc32 } from "./Crc32.js"
import { bytesAt, handOn, has, positionOf, u16le, u32le, u64le } from "./Cursor.js"
import { inflate, windowBits } from "./Inflate.js"
import { flawOfCount, flawOfEntryName, flawOfLinks, type Inside, plainPath, unpacked } from "./Inside.js"
import { type Cursor, type Inspector, type Parser, structured, type Want } from "./Inspector.js"
import * as Records from "./ZipRecords.js"
import { signatures } from "./ZipRecords.js"

const broken = "it is not a whole zip archive"
const otherwise = "its directory does not say what is in it"

const linkType = 0xa000
const plainTypes = new Set([0, 0x8000, 0x4000])
/** What is larger is no link. */
const mostLinkBytes = 1024

/** What an entry turned out to be. */
interface Entry extends Records.Record {
  /** What may be a link's target. */
  readonly text: string
  /** What is wrong with a content that is so small that it may be a link's, which only the directory tells. */
  readonly flaw: string | undefined
}

type Step<A> = Generator<Want, A, void>

/** Looks at the content of an entry as it is unpacked. */
const contentOf = (inspector: Inspector) => {
  const small: Array<Uint8Array> = []
  const seen = { crc: 0, bytes: 0, flaw: undefined as string | undefined }
  return {
    seen,
    take: (bytes: Uint8Array) => {
      seen.crc = crc32(bytes, seen.crc)
      seen.bytes += bytes.length
      if (seen.bytes <= mostLinkBytes) small.push(bytes.slice())
      seen.flaw ??= inspector.push(bytes)
      return seen.bytes > mostLinkBytes ? seen.flaw : undefined
    },
    end: () => {
      const isSmall = seen.bytes <= mostLinkBytes
      return {
        text: isSmall ? Buffer.concat(small).toString("utf8") : "",
        flaw: seen.flaw ?? inspector.end()
      }
    }
  }
}

type Content = ReturnType<typeof contentOf>

/** The bytes of the descriptor at the cursor, if that is what is there; 0: it is not. */
const descriptorBytes = (cursor: Cursor, compressed: number, { seen }: Content) => {
  const from = u32le(cursor, 0) === signatures.descriptor ? 4 : 0
  if (u32le(cursor, from) !== seen.crc) return 0
  if (u64le(cursor, from + 4) === compressed && u64le(cursor, from + 12) === seen.bytes) return from + 20
  const isNarrow = u32le(cursor, from + 4) === compressed && u32le(cursor, from + 8) === seen.bytes
  return isNarrow ? from + 12 : 0
}

/** Fewer bytes than this cannot follow in a whole zip: a descriptor is, then a directory and its end. */
const descriptorRoom = 24
const signatureBytes = Buffer.from("PK\x07\x08", "latin1")

/** Moves past a content that is neither compressed nor of a length that is said before. */
function* storedUntilDescriptor(cursor: Cursor, content: Content): Step<string | undefined> {
  for (;;) {
    if (!has(cursor, descriptorRoom)) yield { bytes: descriptorRoom }
    const isHere =
      u32le(cursor, 0) === signatures.descriptor && descriptorBytes(cursor, content.seen.bytes, content) > 0
    if (isHere) return undefined
    const { at, bytes } = cursor
    const next = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(signatureBytes, at + 1)
    const count = next < 0 ? bytes.length - 3 - at : next - at
    const flaw = yield* handOn(cursor, count, content.take)
    if (flaw !== undefined) return flaw
  }
}

/** Moves past an entry's content, and gives what is wrong with it. */
function* content(cursor: Cursor, record: Records.Record, content: Content): Step<string | undefined> {
  if (record.method === 8) return yield* inflate(cursor, windowBits.raw, content.take)
  return Records.isDescribed(record)
    ? yield* storedUntilDescriptor(cursor, content)
    : yield* handOn(cursor, record.compressed, content.take)
}

const flawOfRecord = (record: Records.Record) => {
  if (Records.isEncrypted(record)) return "it is encrypted"
  if (record.method !== 0 && record.method !== 8)
    return "it is compressed in a way that cannot be looked into: use deflate"
  return flawOfEntryName(record.name) ?? flawOfEntryName(record.unicodeName ?? record.name)
}

const isDirectory = ({ name }: Records.Record) => name.endsWith("/")

/** A directory has no content. */
const nothing: Inspector = { push: () => "it has a directory with content in it", end: () => undefined }

const inspectorsOf = (inside: Inside, record: Records.Record): Inspector => {
  if (isDirectory(record)) return nothing
  const byName = unpacked(inside, record.name)
  const { unicodeName } = record
  const isOther = unicodeName !== undefined && plainPath(unicodeName) !== plainPath(record.name)
  // Whoever prefers the other name must not get another kind of file.
  const ofOther = isOther ? inside.inspectorOf({ ...inside, name: unicodeName }) : ""
  return typeof ofOther === "string" && ofOther !== "" ? { push: () => ofOther, end: () => ofOther } : byName
}

/** An entry and its content; a text is what is wrong with them. */
function* entryAt(cursor: Cursor, inside: Inside): Step<Entry | string> {
  if (!has(cursor, 30)) yield { bytes: 30 }
  const length = Records.entryBytes(cursor)
  if (!has(cursor, length)) yield { bytes: length }
  const record = Records.readEntry(cursor)
  cursor.at += length
  const flaw = flawOfCount(inside, record.name) ?? flawOfRecord(record)
  if (flaw !== undefined) return flaw
  const found = contentOf(inspectorsOf(inside, record))
  const start = positionOf(cursor)
  const flawOfContent = yield* content(cursor, record, found)
  if (flawOfContent !== undefined) return flawOfContent
  const compressed = positionOf(cursor) - start
  const { bytes: uncompressed, crc } = found.seen
  const entry = { ...record, crc, compressed, uncompressed, ...found.end() }
  if (Records.isDescribed(record)) {
    if (!has(cursor, descriptorRoom)) yield { bytes: descriptorRoom }
    const descriptor = descriptorBytes(cursor, compressed, found)
    cursor.at += descriptor
    return descriptor === 0 ? broken : entry
  }
  const isAsSaid =
    record.crc === crc && record.compressed === compressed && record.uncompressed === uncompressed
  return isAsSaid ? entry : broken
}

const isSame = (entry: Entry, record: Records.DirectoryRecord) =>
  entry.name === record.name &&
  entry.unicodeName === record.unicodeName &&
  entry.method === record.method &&
  entry.crc === record.crc &&
  entry.compressed === record.compressed &&
  entry.uncompressed === record.uncompressed &&
  record.disk === 0 &&
  !Records.isEncrypted(record)

/** What is wrong with an entry as the directory has it. */
const flawOfListed = (entry: Entry, { unixType }: Records.DirectoryRecord) => {
  // Where it leads is looked at when all of them are known.
  if (unixType === linkType) return undefined
  if (!plainTypes.has(unixType)) return "it has a device, a pipe or a socket in it"
  return entry.flaw
}

/** The directory, of which each record names another one of the entries; its end is next. */
function* directory(cursor: Cursor, entries: Map<number, Entry>): Step<string | undefined> {
  const paths = new Set<string>()
  const links = new Map<string, string>()
  for (;;) {
    if (!has(cursor, 22)) yield { bytes: 22 }
    if (u32le(cursor, 0) !== signatures.directory) break
    if (!has(cursor, 46)) yield { bytes: 46 }
    const length = Records.directoryRecordBytes(cursor)
    if (!has(cursor, length)) yield { bytes: length }
    const record = Records.readDirectoryRecord(cursor)
    cursor.at += length
    const entry = entries.get(record.offset)
    if (entry === undefined || !isSame(entry, record)) return otherwise
    entries.delete(record.offset)
    const flaw = flawOfListed(entry, record)
    if (flaw !== undefined) return flaw
    const path = plainPath(record.name)
    if (!isDirectory(record) && paths.has(path)) return "it has two entries of one name"
    paths.add(path)
    if (record.unixType === linkType) links.set(path, entry.text)
  }
  return entries.size > 0 ? otherwise : flawOfLinks(links, paths)
}

/** The records behind the directory, which say where it is. */
function* ending(cursor: Cursor, truth: Records.End): Step<string | undefined> {
  const isTrue = ({ count, length, offset }: Records.End) =>
    count === truth.count && length === truth.length && offset === truth.offset
  let wide: Records.End | undefined
  if (u32le(cursor, 0) === signatures.end64) {
    if (!has(cursor, 56)) yield { bytes: 56 }
    wide = Records.readEnd64(cursor)
    const isHere = u64le(cursor, 4) === 44 && isTrue(wide)
    cursor.at += 56
    if (!has(cursor, 20)) yield { bytes: 20 }
    const isLocated =
      u32le(cursor, 0) === signatures.locator64 && u64le(cursor, 8) === truth.offset + truth.length
    cursor.at += 20
    if (!isHere || !isLocated) return otherwise
    if (!has(cursor, 22)) yield { bytes: 22 }
  }
  if (u32le(cursor, 0) !== signatures.end) return broken
  const isSplit = u32le(cursor, 4) !== 0 && (wide === undefined || u32le(cursor, 4) !== 0xffffffff)
  if (isSplit || !isTrue(Records.readEnd(cursor, wide))) return otherwise
  const length = 22 + u16le(cursor, 20)
  if (!has(cursor, length)) yield { bytes: length }
  const comment = Buffer.from(bytesAt(cursor, 22, length - 22))
  cursor.at += length
  return comment.includes("PK\x05\x06") ? otherwise : undefined
}

const isBeginning = (signature: number) => signature === signatures.entry || signature === signatures.end

export function* zipParser(cursor: Cursor, inside: Inside, part?: string): Parser {
  if (!has(cursor, 22)) yield { bytes: 22 }
  if (!isBeginning(u32le(cursor, 0))) return "its content is not what its name says"
  const entries = new Map<number, Entry>()
  let hasPart = part === undefined
  for (;;) {
    if (!has(cursor, 22)) yield { bytes: 22 }
    if (u32le(cursor, 0) !== signatures.entry) break
    const position = positionOf(cursor)
    const entry = yield* entryAt(cursor, inside)
    if (typeof entry === "string") return entry
    hasPart ||= entry.name === part
    entries.set(position, entry)
  }
  const [count, offset] = [entries.size, positionOf(cursor)]
  const flaw = yield* directory(cursor, entries)
  if (flaw !== undefined) return flaw
  const end = yield* ending(cursor, { count, offset, length: positionOf(cursor) - offset })
  return end ?? (hasPart ? undefined : "its content is not what its name says")
}

/**
 * A zip archive in which nothing is hidden: read from its first byte on, its entries are those that its directory names
 * at its end, one behind the other with nothing between them.
 */
export const zip = (inside: Inside): Inspector => structured((cursor) => zipParser(cursor, inside))

/** Arrays of NumPy in a zip, and nothing else. */
export const npz = (inside: Inside): Inspector =>
  structured((cursor) =>
    zipParser(cursor, {
      ...inside,
      inspectorOf: (entry) => (entry.name.endsWith(".npy") ? inside.inspectorOf(entry) : "it is no array")
    })
  )
