import { uncompressed } from "./Compressed.js"
import { crc32 } from "./Crc32.js"
import { byteAt, bytesAt, handOn, has, positionOf, type Take, u16, u32le } from "./Cursor.js"
import type { Inside } from "./Inside.js"
import { type Cursor, type Inspector, type Parser, structured, type Want } from "./Inspector.js"
import { type Lzma, makeLzma } from "./Lzma.js"

const broken = "its compressed data is broken"
const unknown = "it is compressed in a way that cannot be looked into"
/** What `xz -9` needs. */
const mostDictionaryBytes = 67_108_864
/** Bytes of a block's checksum, by its kind. */
const checkBytes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]

type Step<A> = Generator<Want, A, void>

/** A number of seven bits a byte, and how many bytes it has; 0: none that is whole. */
const numberAt = (cursor: Cursor, offset: number) => {
  let value = 0
  for (let bytes = 1; bytes <= 9; bytes++) {
    const byte = byteAt(cursor, offset + bytes - 1)
    value += (byte & 0x7f) * 2 ** (7 * (bytes - 1))
    if (byte < 0x80) return { value, bytes }
  }
  return { value, bytes: 0 }
}

const isChecked = (cursor: Cursor, offset: number, count: number) =>
  crc32(bytesAt(cursor, offset, count)) === u32le(cursor, offset + count)

const dictionaryBytes = (bits: number) =>
  bits > 39 ? Number.POSITIVE_INFINITY : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11)

/** The dictionary's size as a block's header has it; a text: what is wrong with the header. */
const readBlockHeader = (cursor: Cursor, length: number) => {
  if (!isChecked(cursor, 0, length - 4)) return broken
  const flags = byteAt(cursor, 1)
  let at = 2
  if ((flags & 0x40) !== 0) at += numberAt(cursor, at).bytes
  if ((flags & 0x80) !== 0) at += numberAt(cursor, at).bytes
  const isPlain = (flags & 0x3f) === 0 && byteAt(cursor, at) === 0x21 && byteAt(cursor, at + 1) === 1
  const dictionary = dictionaryBytes(byteAt(cursor, at + 2))
  return isPlain && dictionary <= mostDictionaryBytes ? dictionary : unknown
}

/** What a chunk's first byte says. */
const chunkOf = (control: number) => ({
  isPacked: control >= 0x80,
  resetsDictionary: control === 1 || control >= 0xe0,
  hasProperties: control >= 0xc0,
  resetsState: control >= 0xa0
})

function* packedChunk(cursor: Cursor, control: number, lzma: Lzma, take: Take): Step<string | undefined> {
  const { hasProperties, resetsState } = chunkOf(control)
  const head = hasProperties ? 6 : 5
  if (!has(cursor, head)) yield { bytes: head }
  const unpacked = (control & 0x1f) * 65_536 + u16(cursor, 1) + 1
  const packed = u16(cursor, 3) + 1
  if (!has(cursor, head + packed)) yield { bytes: head + packed }
  if (hasProperties && !lzma.setProperties(byteAt(cursor, 5))) return broken
  if (resetsState) lzma.resetState()
  const content = packed < 5 ? undefined : lzma.unpack(bytesAt(cursor, head, packed), unpacked)
  cursor.at += head + packed
  return content === undefined ? broken : take(content)
}

/** The chunks of a block, and how much came out of them. */
function* chunks(cursor: Cursor, lzma: Lzma, take: Take): Step<string | undefined> {
  let [hasDictionary, hasState] = [false, false]
  for (;;) {
    if (!has(cursor, 1)) yield { bytes: 1 }
    const control = byteAt(cursor, 0)
    if (control === 0) {
      cursor.at += 1
      return undefined
    }
    const { hasProperties, isPacked, resetsDictionary } = chunkOf(control)
    hasDictionary ||= resetsDictionary
    hasState ||= hasProperties
    if (!hasDictionary || (isPacked ? !hasState : control > 2)) return broken
    if (resetsDictionary) lzma.resetDictionary()
    let flaw: string | undefined
    if (isPacked) flaw = yield* packedChunk(cursor, control, lzma, take)
    else {
      if (!has(cursor, 3)) yield { bytes: 3 }
      const count = u16(cursor, 1) + 1
      cursor.at += 3
      flaw = yield* handOn(cursor, count, (bytes) => {
        lzma.store(bytes)
        return take(bytes)
      })
    }
    if (flaw !== undefined) return flaw
  }
}

/** What the index has of a block. */
interface Block {
  readonly unpadded: number
  readonly uncompressed: number
}

function* block(cursor: Cursor, check: number, take: Take): Step<Block | string> {
  const start = positionOf(cursor)
  const length = (byteAt(cursor, 0) + 1) * 4
  if (!has(cursor, length)) yield { bytes: length }
  const dictionary = readBlockHeader(cursor, length)
  if (typeof dictionary === "string") return dictionary
  cursor.at += length
  let uncompressed = 0
  const flaw = yield* chunks(cursor, makeLzma(dictionary), (bytes) => {
    uncompressed += bytes.length
    return take(bytes)
  })
  if (flaw !== undefined) return flaw
  const padding = (4 - ((positionOf(cursor) - start) % 4)) % 4
  const unpadded = positionOf(cursor) - start + check
  if (!has(cursor, padding + check)) yield { bytes: padding + check }
  if (bytesAt(cursor, 0, padding).some((byte) => byte !== 0)) return broken
  cursor.at += padding + check
  return { unpadded, uncompressed }
}

/** The index, which lists the blocks, and the footer, which says how long the index is. */
function* ending(cursor: Cursor, flags: number, blocks: ReadonlyArray<Block>): Step<string | undefined> {
  const most = 1 + 9 + 18 * blocks.length + 3 + 4 + 12
  if (!has(cursor, 1 + 9)) yield { bytes: 1 + 9 }
  const count = numberAt(cursor, 1)
  if (count.value !== blocks.length) return broken
  let at = 1 + count.bytes
  for (const { uncompressed, unpadded } of blocks) {
    if (!has(cursor, at + 18)) yield { bytes: Math.min(at + 18, most) }
    const first = numberAt(cursor, at)
    const second = numberAt(cursor, at + first.bytes)
    if (first.value !== unpadded || second.value !== uncompressed) return broken
    at += first.bytes + second.bytes
  }
  at += (4 - (at % 4)) % 4
  if (!has(cursor, at + 16)) yield { bytes: at + 16 }
  if (!isChecked(cursor, 0, at)) return broken
  cursor.at += at + 4
  const isFooter =
    crc32(bytesAt(cursor, 4, 6)) === u32le(cursor, 0) &&
    (u32le(cursor, 4) + 1) * 4 === at + 4 &&
    u16(cursor, 8) === flags &&
    u16(cursor, 10) === 0x595a
  cursor.at += 12
  return isFooter ? undefined : broken
}

const isXz = (cursor: Cursor) =>
  bytesAt(cursor, 0, 6).every((byte, index) => byte === [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0][index])

function* stream(cursor: Cursor, take: Take): Step<string | undefined> {
  if (!has(cursor, 12)) yield { bytes: 12 }
  if (!isXz(cursor))
    return positionOf(cursor) === 0 ? "its content is not what its name says" : "data after its end"
  const flags = u16(cursor, 6)
  const check = checkBytes[flags]
  if (check === undefined || crc32(bytesAt(cursor, 6, 2)) !== u32le(cursor, 8)) return broken
  cursor.at += 12
  const blocks: Array<Block> = []
  for (;;) {
    if (!has(cursor, 1)) yield { bytes: 1 }
    if (byteAt(cursor, 0) === 0) return yield* ending(cursor, flags, blocks)
    const found = yield* block(cursor, check, take)
    if (typeof found === "string") return found
    blocks.push(found)
  }
}

export function* xzParser(cursor: Cursor, inside: Inside): Parser {
  const content = uncompressed(inside)
  for (;;) {
    const flaw = yield* stream(cursor, content.push)
    if (flaw !== undefined) return flaw
    // Another stream may follow, whose content is appended.
    if (!has(cursor, 1)) yield { bytes: 1, orEnd: true }
    if (!has(cursor, 1)) return content.end()
  }
}

/** An xz file of one or more streams. */
export const xz = (inside: Inside): Inspector => structured((cursor) => xzParser(cursor, inside))
