import { shownPath } from "@bulkhead/domain"
import { bytesAt, handOn, has, textAt } from "./Cursor.js"
import { flawOfCount, flawOfEntryName, flawOfLinks, type Inside, plainPath, unpacked } from "./Inside.js"
import { type Cursor, type Inspector, type Parser, structured, type Want } from "./Inspector.js"

const block = 512
const broken = "it is not a whole tar archive"
/** Of a long name, or of what a header has besides. */
const mostMetaBytes = 65_536

type Step<A> = Generator<Want, A, void>

/** A text up to its NUL. */
const field = (cursor: Cursor, offset: number, length: number) => {
  const bytes = bytesAt(cursor, offset, length)
  const end = bytes.indexOf(0)
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(end < 0 ? bytes : bytes.subarray(0, end))
}

/** In octal digits, or for what they are too few, as a number of 12 bytes. */
const numberAt = (cursor: Cursor, offset: number, length: number) => {
  const bytes = bytesAt(cursor, offset, length)
  if (bytes[0] === 0x80) return bytes.subarray(1).reduce((value, byte) => value * 256 + byte, 0)
  const digits = textAt(cursor, offset, length).replaceAll("\0", " ").trim()
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || "0", 8) : Number.NaN
}

interface Header {
  readonly type: string
  readonly name: string
  readonly target: string
  readonly size: number
}

/** What comes before an entry and stands instead of what is in its header. */
interface Meta {
  name?: string
  target?: string
  size?: number
  isSparse?: boolean
}

const isZero = (cursor: Cursor) => bytesAt(cursor, 0, block).every((byte) => byte === 0)

const hasChecksum = (cursor: Cursor) => {
  const bytes = bytesAt(cursor, 0, block)
  const spaces = 8 * 0x20
  const sum = bytes.reduce((total, byte, at) => (at >= 148 && at < 156 ? total : total + byte), spaces)
  return numberAt(cursor, 148, 8) === sum
}

const readHeader = (cursor: Cursor): Header => {
  const prefix = textAt(cursor, 257, 6) === "ustar\0" ? field(cursor, 345, 155) : ""
  const name = field(cursor, 0, 100)
  return {
    type: textAt(cursor, 156, 1),
    name: prefix === "" ? name : `${prefix}/${name}`,
    target: field(cursor, 157, 100),
    size: numberAt(cursor, 124, 12)
  }
}

const padding = (size: number) => (block - (size % block)) % block

/** Records of the form `LENGTH KEY=VALUE\n`. */
const readRecords = (bytes: Buffer, meta: Meta) => {
  for (let at = 0; at < bytes.length; ) {
    const [, digits = "", key = ""] = /^(\d{1,6}) ([^=]+)=/.exec(bytes.toString("latin1", at, at + 200)) ?? []
    const length = Number(digits)
    if (digits === "" || length < digits.length + key.length + 3 || at + length > bytes.length) return broken
    const value = bytes.toString("utf8", at + digits.length + key.length + 2, at + length - 1)
    if (key === "path") meta.name = value
    if (key === "linkpath") meta.target = value
    if (key === "size") meta.size = Number(value)
    if (key.startsWith("GNU.sparse")) meta.isSparse = true
    at += length
  }
  return undefined
}

/** What stands before an entry and says more of it. */
function* metaAt(cursor: Cursor, { size, type }: Header, meta: Meta): Step<string | undefined> {
  if (size > mostMetaBytes) return broken
  if (!has(cursor, size + padding(size))) yield { bytes: size + padding(size) }
  const bytes = Buffer.from(bytesAt(cursor, 0, size))
  cursor.at += size + padding(size)
  const text = bytes.toString("utf8").replace(/\0.*$/s, "")
  if (type === "L") meta.name = text
  else if (type === "K") meta.target = text
  else if (type === "x") return readRecords(bytes, meta)
  else {
    const ofAll: Meta = {}
    return readRecords(bytes, ofAll) ?? (Object.keys(ofAll).length > 0 ? broken : undefined)
  }
  return undefined
}

const metaTypes = new Set(["L", "K", "x", "g"])
const fileTypes = new Set(["0", "\0", "7"])

/** The paths of an archive, so far. */
interface Paths {
  readonly all: Set<string>
  readonly files: Set<string>
  readonly links: Map<string, string>
}

const flawOfPlace = ({ all, files, links }: Paths, { name, target, type }: Header) => {
  const path = plainPath(name)
  // What a link was is not to be written through.
  if (links.has(path) || (type === "2" && all.has(path))) return "it has two entries of one name"
  all.add(path)
  if (fileTypes.has(type)) files.add(path)
  if (type === "2") links.set(path, target)
  const isNowhere = type === "1" && !files.has(plainPath(target))
  return isNowhere
    ? `it has the hard link ${shownPath(name)} in it, which is to no file before it: ${shownPath(target)}`
    : undefined
}

/** An entry with its content. */
function* entryAt(cursor: Cursor, inside: Inside, header: Header, paths: Paths): Step<string | undefined> {
  const { name, size, type } = header
  const flaw = flawOfCount(inside, name) ?? flawOfEntryName(name) ?? flawOfPlace(paths, header)
  if (flaw !== undefined) return flaw
  if (type === "1" || type === "2" || type === "5") return size === 0 ? undefined : broken
  if (type === "S") return "it has a file with holes in it"
  if (!fileTypes.has(type)) return "it has a device, a pipe or something else in it that is no file"
  // A name that ends like a directory's was one before there was a type for them.
  if (name.endsWith("/")) return size === 0 ? undefined : broken
  const content = unpacked(inside, name)
  const flawOfContent = (yield* handOn(cursor, size, content.push)) ?? content.end()
  if (flawOfContent !== undefined) return flawOfContent
  cursor.at += padding(size)
  return undefined
}

/** Two blocks of zeros, and then as many more as fill the last record. */
function* ending(cursor: Cursor): Step<string | undefined> {
  for (let blocks = 0; ; blocks++) {
    if (!has(cursor, block)) yield { bytes: block, orEnd: blocks >= 2 }
    if (!has(cursor, block)) return undefined
    if (!isZero(cursor)) return "data after its end"
    cursor.at += block
  }
}

export function* tarParser(cursor: Cursor, inside: Inside): Parser {
  const paths: Paths = { all: new Set(), files: new Set(), links: new Map() }
  let meta: Meta = {}
  for (;;) {
    if (!has(cursor, block)) yield { bytes: block }
    if (isZero(cursor)) break
    if (!hasChecksum(cursor))
      return cursor.start === 0 && cursor.at === 0 ? "its content is not what its name says" : broken
    const header = readHeader(cursor)
    if (!Number.isSafeInteger(header.size)) return broken
    cursor.at += block
    if (metaTypes.has(header.type)) {
      const flaw = yield* metaAt(cursor, header, meta)
      if (flaw !== undefined) return flaw
      continue
    }
    if (meta.isSparse) return "it has a file with holes in it"
    const { name, size, target } = { ...header, ...meta }
    if (!Number.isSafeInteger(size) || size < 0) return broken
    meta = {}
    const flaw = yield* entryAt(cursor, inside, { type: header.type, name, target, size }, paths)
    if (flaw !== undefined) return flaw
  }
  return (yield* ending(cursor)) ?? flawOfLinks(paths.links, paths.all)
}

/** A tar archive up to the zeros at its end. */
export const tar = (inside: Inside): Inspector => structured((cursor) => tarParser(cursor, inside))
