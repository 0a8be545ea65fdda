import { isUtf8 } from "node:buffer"
import { bytesAt, u16le, u32le, u64le } from "./Cursor.js"
import type { Cursor } from "./Inspector.js"

export const signatures = {
  entry: 0x04034b50,
  descriptor: 0x08074b50,
  directory: 0x02014b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
  end: 0x06054b50
}

/** What a zip says of an entry, both before its content and in the directory. */
export interface Record {
  readonly name: string
  /** Another name, which some programs prefer. */
  readonly unicodeName?: string
  readonly flags: number
  readonly method: number
  readonly crc: number
  readonly compressed: number
  readonly uncompressed: number
}

/** One of the directory. */
export interface DirectoryRecord extends Record {
  readonly offset: number
  readonly disk: number
  /** What Unix would have it be; 0: nothing is said. */
  readonly unixType: number
}

const ofFlags = { encrypted: 0x2041, described: 0x0008, utf8: 0x0800 }
export const isEncrypted = ({ flags }: Record) => (flags & ofFlags.encrypted) !== 0
/** Whether its checksum and sizes stand behind its content. */
export const isDescribed = ({ flags }: Record) => (flags & ofFlags.described) !== 0

/** Old names are of one of many code pages, whose lower half is ASCII: what the rest stands for is not known. */
const ofCodePage = (bytes: Uint8Array) =>
  Array.from(bytes, (value) => String.fromCharCode(value < 0x80 ? value : 0x100 + value)).join("")

const decode = (bytes: Uint8Array, isSaidUtf8: boolean) =>
  isSaidUtf8 || isUtf8(bytes)
    ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)
    : ofCodePage(bytes)

const full32 = 0xffffffff
const full16 = 0xffff

interface Extras {
  readonly unicodeName?: string
  /** The fields that are full, as zip64 has them, in their order. */
  readonly wide: ReadonlyArray<number>
}

const readExtras = (cursor: Cursor, from: number, length: number): Extras => {
  let unicodeName: string | undefined
  const wide: Array<number> = []
  for (let at = from; at + 4 <= from + length; ) {
    const size = u16le(cursor, at + 2)
    if (at + 4 + size > from + length) break
    const id = u16le(cursor, at)
    if (id === 1) for (let field = 0; field + 8 <= size; field += 8) wide.push(u64le(cursor, at + 4 + field))
    if (id === 0x7075 && size > 5) unicodeName = decode(bytesAt(cursor, at + 9, size - 5), true)
    at += 4 + size
  }
  return { wide, ...(unicodeName === undefined ? {} : { unicodeName }) }
}

/** The fields that are full are taken from zip64's, in their order. */
const widened = (fields: ReadonlyArray<number>, wide: ReadonlyArray<number>) => {
  let next = 0
  return fields.map((field) => (field === full32 ? (wide[next++] ?? field) : field))
}

export const entryBytes = (cursor: Cursor) => 30 + u16le(cursor, 26) + u16le(cursor, 28)

export const readEntry = (cursor: Cursor): Record => {
  const nameLength = u16le(cursor, 26)
  const { wide, ...extras } = readExtras(cursor, 30 + nameLength, u16le(cursor, 28))
  const flags = u16le(cursor, 6)
  const [uncompressed = 0, compressed = 0] = widened([u32le(cursor, 22), u32le(cursor, 18)], wide)
  return {
    ...extras,
    name: decode(bytesAt(cursor, 30, nameLength), (flags & ofFlags.utf8) !== 0),
    flags,
    method: u16le(cursor, 8),
    crc: u32le(cursor, 14),
    compressed,
    uncompressed
  }
}

export const directoryRecordBytes = (cursor: Cursor) =>
  46 + u16le(cursor, 28) + u16le(cursor, 30) + u16le(cursor, 32)

const madeOnUnix = new Set([3, 19])

export const readDirectoryRecord = (cursor: Cursor): DirectoryRecord => {
  const nameLength = u16le(cursor, 28)
  const { wide, ...extras } = readExtras(cursor, 46 + nameLength, u16le(cursor, 30))
  const flags = u16le(cursor, 8)
  const [uncompressed = 0, compressed = 0, offset = 0] = widened(
    [u32le(cursor, 24), u32le(cursor, 20), u32le(cursor, 42)],
    wide
  )
  return {
    ...extras,
    name: decode(bytesAt(cursor, 46, nameLength), (flags & ofFlags.utf8) !== 0),
    flags,
    method: u16le(cursor, 10),
    crc: u32le(cursor, 16),
    compressed,
    uncompressed,
    offset,
    disk: u16le(cursor, 34) === full16 ? 0 : u16le(cursor, 34),
    unixType: madeOnUnix.has(u16le(cursor, 4) >> 8) ? u16le(cursor, 40) & 0xf000 : 0
  }
}

/** What a zip says of its directory at its end. */
export interface End {
  readonly count: number
  readonly length: number
  readonly offset: number
}

export const readEnd64 = (cursor: Cursor): End => ({
  count: u64le(cursor, 32),
  length: u64le(cursor, 40),
  offset: u64le(cursor, 48)
})

/** What is full is what zip64's end says. */
export const readEnd = (cursor: Cursor, wide: End | undefined): End => {
  const or = (field: number, full: number, other: number | undefined) =>
    field === full ? (other ?? field) : field
  return {
    count: or(u16le(cursor, 10), full16, wide?.count),
    length: or(u32le(cursor, 12), full32, wide?.length),
    offset: or(u32le(cursor, 16), full32, wide?.offset)
  }
}
