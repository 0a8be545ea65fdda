import { Either } from "effect"
import { Decompress } from "fzstd"
import { uncompressed } from "./Compressed.js"
import { byteAt, bytesAt, has, positionOf, type Take, u32le } from "./Cursor.js"
import type { Inside } from "./Inside.js"
import { type Cursor, type Inspector, type Parser, structured, type Want } from "./Inspector.js"

const broken = "its compressed data is broken"
/** `zstd` unpacks no more without being told to. */
const mostWindowBytes = 134_217_728

type Step<A> = Generator<Want, A, void>

/** What a frame's first bytes say of it. */
const readHeader = (cursor: Cursor) => {
  const flags = byteAt(cursor, 4)
  const isSingle = (flags & 0x20) !== 0
  const sizeBytes = flags >> 6 === 0 ? (isSingle ? 1 : 0) : 2 ** (flags >> 6)
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0
  const at = isSingle ? 5 : 6
  const exponent = byteAt(cursor, 5) >> 3
  const window = 2 ** (10 + exponent)
  const size = bytesAt(cursor, at + dictionaryBytes, sizeBytes).reduceRight(
    (value, byte) => value * 256 + byte,
    0
  )
  return {
    bytes: at + dictionaryBytes + sizeBytes,
    hasDictionary: dictionaryBytes > 0,
    window: isSingle ? size : window + (window / 8) * (byteAt(cursor, 5) & 7),
    checksumBytes: (flags & 4) === 0 ? 0 : 4
  }
}

/** Unpacks a frame that is fed to it part by part; what it gives is wrong with it. */
const unpacking = (take: Take) => {
  let flaw: string | undefined
  const decompress = new Decompress((bytes) => {
    flaw ??= take(bytes.slice())
  })
  const push = (bytes: Uint8Array, isLast: boolean) =>
    Either.match(
      Either.try(() => void decompress.push(bytes.slice(), isLast)),
      { onLeft: () => broken, onRight: () => flaw }
    )
  return { push: (bytes: Uint8Array) => push(bytes, false), end: () => push(new Uint8Array(0), true) }
}

function* frame(cursor: Cursor, take: Take): Step<string | undefined> {
  if (!has(cursor, 18)) yield { bytes: 6 }
  const least = readHeader(cursor).bytes
  if (!has(cursor, least)) yield { bytes: least }
  const { bytes, checksumBytes, hasDictionary, window } = readHeader(cursor)
  if (hasDictionary || window > mostWindowBytes) return "it is compressed in a way that cannot be looked into"
  const content = unpacking(take)
  let flaw = content.push(bytesAt(cursor, 0, bytes))
  cursor.at += bytes
  for (let isLast = false; !isLast && flaw === undefined; ) {
    if (!has(cursor, 3)) yield { bytes: 3 }
    const head = byteAt(cursor, 0) + byteAt(cursor, 1) * 256 + byteAt(cursor, 2) * 65_536
    isLast = (head & 1) === 1
    const length = 3 + (((head >> 1) & 3) === 1 ? 1 : head >> 3)
    if (length > 131_075) return broken
    if (!has(cursor, length)) yield { bytes: length }
    flaw = content.push(bytesAt(cursor, 0, length))
    cursor.at += length
  }
  if (flaw !== undefined) return flaw
  if (!has(cursor, checksumBytes)) yield { bytes: checksumBytes }
  flaw = checksumBytes > 0 ? content.push(bytesAt(cursor, 0, checksumBytes)) : undefined
  cursor.at += checksumBytes
  return flaw ?? content.end()
}

const magic = 0xfd2fb528
const isSkipped = (signature: number) => signature >= 0x184d2a50 && signature <= 0x184d2a5f

export function* zstdParser(cursor: Cursor, inside: Inside): Parser {
  const content = uncompressed(inside)
  for (;;) {
    if (!has(cursor, 8)) yield { bytes: 8 }
    const signature = u32le(cursor, 0)
    if (isSkipped(signature)) cursor.at += 8 + u32le(cursor, 4)
    else if (signature === magic) {
      const flaw = yield* frame(cursor, content.push)
      if (flaw !== undefined) return flaw
    } else return positionOf(cursor) === 0 ? "its content is not what its name says" : "data after its end"
    // Another frame may follow, whose content is appended.
    if (!has(cursor, 1)) yield { bytes: 1, orEnd: true }
    if (!has(cursor, 1)) return content.end()
  }
}

/** A Zstandard file, of one or more frames. */
export const zstd = (inside: Inside): Inspector => structured((cursor) => zstdParser(cursor, inside))
