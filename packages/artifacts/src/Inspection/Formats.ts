import { atEnd, type Cursor, latin1, type Parser, search, structured } from "./Inspector.js"

// These read at the cursor what a parser has asked for, and do not move it.
const byteAt = ({ at, bytes }: Cursor, offset: number) => bytes[at + offset] ?? 0
const u16 = (cursor: Cursor, offset: number) => byteAt(cursor, offset) * 256 + byteAt(cursor, offset + 1)
const u32 = (cursor: Cursor, offset: number) => u16(cursor, offset) * 65_536 + u16(cursor, offset + 2)
const u16le = (cursor: Cursor, offset: number) => byteAt(cursor, offset) + byteAt(cursor, offset + 1) * 256
const u32le = (cursor: Cursor, offset: number) => u16le(cursor, offset) + u16le(cursor, offset + 2) * 65_536

/** Whether so many bytes are at hand at the cursor. */
const has = ({ at, bytes }: Cursor, count: number) => at + count <= bytes.length

const iend = 0x49454e44

export function* pngParser(cursor: Cursor): Parser {
  cursor.at += 8
  for (;;) {
    if (!has(cursor, 8)) yield { bytes: 8 }
    const kind = u32(cursor, 4)
    cursor.at += 12 + u32(cursor, 0)
    if (kind === iend) return undefined
  }
}
/** Ends with its last chunk. */
export const png = () => structured(pngParser)

const colorTable = (packed: number) => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0)

/** Moves past blocks that each say how long they are. False: none of no length, which is the last, is at hand. */
const passBlocks = (cursor: Cursor) => {
  while (has(cursor, 1)) {
    const length = byteAt(cursor, 0)
    cursor.at += 1 + length
    if (length === 0) return true
  }
  return false
}

export function* gifParser(cursor: Cursor): Parser {
  yield { bytes: 13 }
  cursor.at += 13 + colorTable(byteAt(cursor, 10))
  for (;;) {
    if (!has(cursor, 1)) yield { bytes: 1 }
    const kind = byteAt(cursor, 0)
    if (kind === 0x3b) {
      cursor.at += 1
      return undefined
    }
    if (kind === 0x2c) {
      if (!has(cursor, 10)) yield { bytes: 10 }
      cursor.at += 11 + colorTable(byteAt(cursor, 9))
    } else if (kind === 0x21) cursor.at += 2
    else return "it is not a whole GIF"
    while (!passBlocks(cursor)) yield { bytes: 1 }
  }
}
/** Ends with its trailer. */
export const gif = () => structured(gifParser)

/** Moves past fill bytes. False: all that is at hand is fill. */
const passFill = (cursor: Cursor) => {
  const { bytes } = cursor
  let at = cursor.at
  while (bytes[at] === 0xff) at += 1
  cursor.at = at
  return has(cursor, 1)
}

const isRestart = (marker: number) => marker >= 0xd0 && marker <= 0xd7

/**
 * Moves to the marker behind a scan, whose own 0xff bytes are followed by 0 or by a restart. False: it is not at hand,
 * and the cursor is where to look on.
 */
const passScan = (cursor: Cursor) => {
  while (has(cursor, 1)) {
    const at = byteAt(cursor, 0) === 0xff ? cursor.at : cursor.bytes.indexOf(0xff, cursor.at)
    cursor.at = at === -1 ? cursor.bytes.length : at
    if (at === -1) return false
    if (!passFill(cursor)) {
      // The last 0xff stays, to be seen as such with what follows.
      cursor.at -= 1
      return false
    }
    const marker = byteAt(cursor, 0)
    if (marker !== 0 && !isRestart(marker)) return true
    cursor.at += 1
  }
  return false
}

export function* jpegParser(cursor: Cursor): Parser {
  cursor.at += 2
  let isAtMarker = false
  for (;;) {
    if (!isAtMarker) {
      if (!has(cursor, 1)) yield { bytes: 1 }
      if (byteAt(cursor, 0) !== 0xff) return "it is not a whole JPEG"
      while (!passFill(cursor)) yield { bytes: 1 }
    }
    const marker = byteAt(cursor, 0)
    if (marker === 0xd9) {
      cursor.at += 1
      return undefined
    }
    if (marker === 0) return "it is not a whole JPEG"
    if (!has(cursor, 3)) yield { bytes: 3 }
    const length = u16(cursor, 1)
    if (length < 2) return "it is not a whole JPEG"
    cursor.at += 1 + length
    isAtMarker = marker === 0xda
    if (isAtMarker) while (!passScan(cursor)) yield { bytes: 2 }
  }
}
/** Ends with its end-of-image marker. */
export const jpeg = () => structured(jpegParser)

function* riffParser(cursor: Cursor): Parser {
  yield { bytes: 8 }
  const size = u32le(cursor, 4)
  cursor.at += 8 + size + (size % 2)
  return undefined
}
/** WAV or WebP as long as it says itself. */
export const riff = () => structured(riffParser)

function* bmpParser(cursor: Cursor): Parser {
  yield { bytes: 6 }
  const size = u32le(cursor, 2)
  if (size < 26) return "it is not a whole BMP"
  cursor.at += size
  return undefined
}
/** As long as it says itself. */
export const bmp = () => structured(bmpParser)

const numberOf = (kind: string) => Buffer.from(kind, "latin1").readUInt32BE()
const boxes = new Set(
  "ftyp moov mdat free skip wide moof mfra sidx styp meta pdin emsg ssix prft".split(" ").map(numberOf)
)

export function* mp4Parser(cursor: Cursor): Parser {
  for (;;) {
    if (!has(cursor, 8)) yield { bytes: 8, orEnd: true }
    const size = u32(cursor, 0)
    if (!boxes.has(u32(cursor, 4))) return "it has parts that are not of an MP4"
    if (size === 1) {
      if (!has(cursor, 16)) yield { bytes: 16 }
      const large = u32(cursor, 8) * 2 ** 32 + u32(cursor, 12)
      if (large < 16) return "it is not a whole MP4"
      cursor.at += large
    } else if (size === 0) cursor.at = Number.POSITIVE_INFINITY
    else if (size < 8) return "it is not a whole MP4"
    else cursor.at += size
  }
}
/** Made of the boxes of an MP4 up to its last byte. */
export const mp4 = () => structured(mp4Parser)

const elementSizes = /^'[<>|=]?([bBiufcmMSUV])(\d+)'$/

/** The bytes of an array with this header; nothing: it cannot be told. */
const npySize = (header: string) => {
  const [, descr = ""] = /'descr':\s*('[^']*')/.exec(header) ?? []
  const [, shape = ""] = /'shape':\s*\(([^)]*)\)/.exec(header) ?? []
  const [, kind, width] = elementSizes.exec(descr.replace(/\[\w+\]/, "")) ?? []
  if (kind === undefined) return undefined
  const count = shape
    .split(",")
    .filter((part) => part.trim() !== "")
    .reduce((product, part) => product * Number(part), 1)
  return count * Number(width) * (kind === "U" ? 4 : 1)
}

function* npyParser(cursor: Cursor): Parser {
  yield { bytes: 12 }
  const isWide = byteAt(cursor, 6) > 1
  const length = isWide ? u32le(cursor, 8) : u16le(cursor, 8)
  const start = isWide ? 12 : 10
  if (length > 4096) return "it is not a NumPy array"
  if (!has(cursor, start + length)) yield { bytes: start + length }
  const header = latin1(cursor.bytes.subarray(cursor.at + start, cursor.at + start + length))
  // To load them is to unpickle them, which runs whatever they say.
  if (/['"|<>=]O\d*['"]/.test(header)) return "it holds pickled objects"
  const size = npySize(header)
  if (size === undefined || !Number.isSafeInteger(size))
    return "it holds elements that are not plain numbers or text"
  cursor.at += start + length + size
  return undefined
}
/** A NumPy array of plain elements, without pickled objects. */
export const npy = () => structured(npyParser)

/** Begins and ends with its magic word. */
export const parquet = () =>
  atEnd(8, (tail) => (latin1(tail.subarray(-4)) === "PAR1" ? undefined : "it is cut short"))

const pdfActive =
  /\/(?:JavaScript|Launch|EmbeddedFiles?|RichMedia|GoToE|ImportData)(?=[^A-Za-z])|\/XFA\s*(?:\[|\d+\s+\d+\s+R)/

/** Names may be written with hex escapes. */
const unescaped = (pdf: string) =>
  pdf.replaceAll(/#([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** Without scripts, programs and files in it, as far as its names are not compressed. */
export const pdf = () =>
  search((piece) => (pdfActive.test(unescaped(piece)) ? "it has active content" : undefined))

/** Ends with its end-of-file comment. */
export const pdfEnd = () =>
  atEnd(1024, (tail) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: writers pad with these.
    /%%EOF[\s\x00]*$/.test(latin1(tail)) ? undefined : "data after its end"
  )

/** Not a zip archive too, which is read from its end. */
export const withoutZip = () =>
  atEnd(65_557, (tail) => (latin1(tail).includes("PK\x05\x06") ? "a zip archive is appended" : undefined))
