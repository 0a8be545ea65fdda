import { byteAt, has, positionOf, textAt, u16le, u32, u32le, u64 } from "./Cursor.js"
import { type Cursor, type Parser, structured, type Want } from "./Inspector.js"

const mismatch = "its content is not what its name says"

/** Moves past so many bytes, however many the file has; to its end where no length is said. */
const untilEnd = Number.POSITIVE_INFINITY

function* riffParser(cursor: Cursor, forms: ReadonlyArray<string>): Parser {
  for (let isFirst = true; ; isFirst = false) {
    if (!has(cursor, 12)) yield { bytes: 12, orEnd: !isFirst }
    if (!has(cursor, 12)) return undefined
    const isForm = textAt(cursor, 0, 4) === "RIFF" && forms.includes(textAt(cursor, 8, 4))
    if (!isForm) return isFirst ? mismatch : "data after its end"
    const size = u32le(cursor, 4)
    // Who writes into a pipe does not know.
    cursor.at += size === 0xffffffff ? untilEnd : 8 + size + (size % 2)
  }
}
/** WAV, WebP or AVI of these forms, each as long as it says itself. */
export const riff =
  (...forms: ReadonlyArray<string>) =>
  () =>
    structured((cursor) => riffParser(cursor, forms))

function* midiParser(cursor: Cursor): Parser {
  for (let isFirst = true; ; isFirst = false) {
    if (!has(cursor, 8)) yield { bytes: 8, orEnd: !isFirst }
    if (!has(cursor, 8)) return undefined
    if (textAt(cursor, 0, 4) !== (isFirst ? "MThd" : "MTrk")) return isFirst ? mismatch : "data after its end"
    cursor.at += 8 + u32(cursor, 4)
  }
}
/** A header and tracks, each as long as it says itself. */
export const midi = () => structured(midiParser)

/** A number whose first bits say how many bytes it has; all ones: it is not known. */
function* variable(cursor: Cursor, offset: number): Generator<Want, { value: number; bytes: number }, void> {
  if (!has(cursor, offset + 1)) yield { bytes: offset + 1 }
  const first = byteAt(cursor, offset)
  const bytes = Math.clz32(first) - 23
  if (!has(cursor, offset + bytes)) yield { bytes: offset + bytes }
  let value = first & (0xff >> bytes)
  let isUnknown = value === 0xff >> bytes
  for (let index = 1; index < bytes; index++) {
    value = value * 256 + byteAt(cursor, offset + index)
    isUnknown &&= byteAt(cursor, offset + index) === 0xff
  }
  return { value: isUnknown ? untilEnd : value, bytes }
}

const ebmlHeader = 0x1a45dfa3
const matroskaSegment = 0x18538067

export function* matroskaParser(cursor: Cursor): Parser {
  if (!has(cursor, 5)) yield { bytes: 5 }
  if (u32(cursor, 0) !== ebmlHeader) return mismatch
  const header = yield* variable(cursor, 4)
  if (header.value > 4096) return mismatch
  const length = 4 + header.bytes + header.value
  if (!has(cursor, length)) yield { bytes: length }
  if (!/\x42\x82.(?:webm|matroska)/s.test(textAt(cursor, 0, length))) return mismatch
  cursor.at += length
  for (;;) {
    if (!has(cursor, 5)) yield { bytes: 5, orEnd: true }
    if (!has(cursor, 5)) return undefined
    if (u32(cursor, 0) !== matroskaSegment) return "data after its end"
    const size = yield* variable(cursor, 4)
    cursor.at += 4 + size.bytes + size.value
  }
}
/** WebM or Matroska, as long as it says itself. */
export const matroska = () => structured(matroskaParser)

export function* oggParser(cursor: Cursor): Parser {
  for (let isFirst = true; ; isFirst = false) {
    if (!has(cursor, 27)) yield { bytes: 27, orEnd: !isFirst }
    if (!has(cursor, 27)) return undefined
    if (textAt(cursor, 0, 5) !== "OggS\0") return isFirst ? mismatch : "data after its end"
    const segments = byteAt(cursor, 26)
    if (!has(cursor, 27 + segments)) yield { bytes: 27 + segments }
    let length = 27 + segments
    for (let index = 0; index < segments; index++) length += byteAt(cursor, 27 + index)
    cursor.at += length
  }
}
/** Made of pages up to its last byte. */
export const ogg = () => structured(oggParser)

export function* flacParser(cursor: Cursor): Parser {
  if (!has(cursor, 4)) yield { bytes: 4 }
  if (textAt(cursor, 0, 4) !== "fLaC") return mismatch
  cursor.at += 4
  for (let isLast = false; !isLast; ) {
    if (!has(cursor, 4)) yield { bytes: 4 }
    isLast = byteAt(cursor, 0) >= 0x80
    cursor.at += 4 + (u32(cursor, 0) & 0xffffff)
  }
  if (!has(cursor, 2)) yield { bytes: 2, orEnd: true }
  if (has(cursor, 2) && (byteAt(cursor, 0) !== 0xff || byteAt(cursor, 1) >> 2 !== 0x3e)) return mismatch
  cursor.at = untilEnd
  return undefined
}
/** Its metadata, and then frames. */
export const flac = () => structured(flacParser)

/** Begins as a frame does, or with what tells of the song. */
export function* mp3Parser(cursor: Cursor): Parser {
  if (!has(cursor, 10)) yield { bytes: 10 }
  if (textAt(cursor, 0, 3) === "ID3") {
    const size = [6, 7, 8, 9].reduce((value, at) => value * 128 + (byteAt(cursor, at) & 0x7f), 0)
    cursor.at += 10 + size
  } else if (byteAt(cursor, 0) !== 0xff || byteAt(cursor, 1) < 0xe0) return mismatch
  if (!has(cursor, 1)) yield { bytes: 1 }
  cursor.at = untilEnd
  return undefined
}
export const mp3 = () => structured(mp3Parser)

export function* aacParser(cursor: Cursor): Parser {
  for (let isFirst = true; ; isFirst = false) {
    if (!has(cursor, 7)) yield { bytes: 7, orEnd: !isFirst }
    if (!has(cursor, 7)) return undefined
    if (byteAt(cursor, 0) !== 0xff || (byteAt(cursor, 1) & 0xf6) !== 0xf0)
      return isFirst ? mismatch : "data after its end"
    const frame = ((byteAt(cursor, 3) & 3) << 11) | (byteAt(cursor, 4) << 3) | (byteAt(cursor, 5) >> 5)
    if (frame < 7) return mismatch
    cursor.at += frame
  }
}
/** Made of ADTS frames up to its last byte. */
export const aac = () => structured(aacParser)

export function* aiffParser(cursor: Cursor): Parser {
  if (!has(cursor, 12)) yield { bytes: 12 }
  if (textAt(cursor, 0, 4) !== "FORM" || !/^AIF[FC]$/.test(textAt(cursor, 8, 4))) return mismatch
  const size = u32(cursor, 4)
  cursor.at += 8 + size + (size % 2)
  return undefined
}
export const aiff = () => structured(aiffParser)

const numberOf = (kind: string) => Buffer.from(kind, "latin1").readUInt32BE()
const boxes = new Set(
  [
    "ftyp moov mdat free skip wide moof mfra sidx styp meta pdin emsg ssix prft uuid udta pnot PICT junk".split(
      " "
    ),
    ["jP  ", "jp2h", "jp2c", "jp2i", "xml ", "uinf"]
  ]
    .flat()
    .map(numberOf)
)
const firstBoxes = new Set(["ftyp", "moov", "mdat", "wide", "free", "skip", "pnot", "jP  "].map(numberOf))

export function* mp4Parser(cursor: Cursor): Parser {
  for (;;) {
    if (!has(cursor, 8)) yield { bytes: 8, orEnd: true }
    if (!has(cursor, 8)) return undefined
    const size = u32(cursor, 0)
    const isFirst = positionOf(cursor) === 0
    if (!(isFirst ? firstBoxes : boxes).has(u32(cursor, 4)))
      return isFirst ? mismatch : "it has parts that are not of an MP4"
    if (size === 1) {
      if (!has(cursor, 16)) yield { bytes: 16 }
      const large = u64(cursor, 8)
      if (large < 16) return "it is not a whole MP4"
      cursor.at += large
    } else if (size === 0) cursor.at = untilEnd
    else if (size < 8) return "it is not a whole MP4"
    else cursor.at += size
  }
}
/** Made of the boxes of an MP4 up to its last byte, as also QuickTime's films, AVIF, HEIC and JPEG 2000 are. */
export const mp4 = () => structured(mp4Parser)

export function* icoParser(cursor: Cursor): Parser {
  if (!has(cursor, 6)) yield { bytes: 6 }
  const count = u16le(cursor, 4)
  if (u32le(cursor, 0) !== 0x10000 || count === 0 || count > 1024) return mismatch
  const head = 6 + 16 * count
  if (!has(cursor, head)) yield { bytes: head }
  let end = head
  for (let at = 6; at < head; at += 16) end = Math.max(end, u32le(cursor, at + 8) + u32le(cursor, at + 12))
  cursor.at += end
  return undefined
}
/** As long as its images reach. */
export const ico = () => structured(icoParser)

export function* tiffParser(cursor: Cursor): Parser {
  if (!has(cursor, 16)) yield { bytes: 16 }
  const order = textAt(cursor, 0, 4)
  if (!["II*\0", "MM\0*", "II+\0", "MM\0+"].includes(order)) return mismatch
  const isLittle = order.startsWith("II")
  const first = /[+]/.test(order) ? 16 : isLittle ? u32le(cursor, 4) : u32(cursor, 4)
  if (first < 8) return mismatch
  // Its first directory must be there; where the rest is that says in all of its formats is not looked up.
  cursor.at += first
  if (!has(cursor, 2)) yield { bytes: 2 }
  cursor.at = untilEnd
  return undefined
}
/** Begins as a TIFF and has its first directory. */
export const tiff = () => structured(tiffParser)

function* psdParser(cursor: Cursor): Parser {
  if (!has(cursor, 26)) yield { bytes: 26 }
  const isFirst = textAt(cursor, 0, 4) === "8BPS" && u32(cursor, 6) === 0
  if (!isFirst || (u16le(cursor, 4) !== 0x100 && u16le(cursor, 4) !== 0x200)) return mismatch
  cursor.at += 26
  for (let part = 0; part < 3; part++) {
    if (!has(cursor, 4)) yield { bytes: 4 }
    cursor.at += 4 + u32(cursor, 0)
  }
  if (!has(cursor, 2)) yield { bytes: 2 }
  cursor.at = untilEnd
  return undefined
}
/** Its three parts, and then its picture. */
export const psd = () => structured(psdParser)
