import { byteAt, has, textAt, u16, u16le, u32, u32le, u64le } from "./Cursor.js"
import {
  atEnd,
  byHead,
  type Cursor,
  type Inspector,
  latin1,
  type Parser,
  search,
  structured,
  type Want
} from "./Inspector.js"
import { text } from "./Text.js"

const mismatch = "its content is not what its name says"
const untilEnd = Number.POSITIVE_INFINITY

/** A file that begins and ends with magic words, and is no shorter than both with what must be between. */
const framed =
  (
    begins: ReadonlyArray<string>,
    isEnd: (tail: string) => boolean,
    least: number,
    flaw = "it is cut short"
  ) =>
  (): Inspector => {
    const tail = atEnd(1024, (bytes, size) => (size >= least && isEnd(latin1(bytes)) ? undefined : flaw))
    const head = structured(function* (cursor) {
      if (!has(cursor, 8)) yield { bytes: 8 }
      const isBegun = begins.some((begin) => textAt(cursor, 0, begin.length) === begin)
      cursor.at = untilEnd
      return isBegun ? undefined : mismatch
    })
    return {
      push: (bytes) => head.push(bytes) ?? tail.push(bytes),
      end: () => head.end() ?? tail.end()
    }
  }

const endsWith =
  (...ends: ReadonlyArray<string>) =>
  (tail: string) =>
    ends.some((end) => tail.endsWith(end))

export const parquet = framed(["PAR1"], endsWith("PAR1"), 12)
/** Its file and stream formats, and Feather's first. */
export const arrow = framed(
  ["ARROW1\0\0", "FEA1", "\xff\xff\xff\xff"],
  endsWith("ARROW1", "FEA1", "\xff\xff\xff\xff\0\0\0\0"),
  16
)
/** Its last byte says how long what is before it is, which ends with the magic word. */
export const orc = framed(["ORC"], (tail) => tail.slice(-4, -1) === "ORC", 8)

export function* sqliteParser(cursor: Cursor): Parser {
  if (!has(cursor, 100)) yield { bytes: 100 }
  if (textAt(cursor, 0, 16) !== "SQLite format 3\0") return mismatch
  const pageBytes = u16(cursor, 16) === 1 ? 65_536 : u16(cursor, 16)
  const isPage = pageBytes >= 512 && (pageBytes & (pageBytes - 1)) === 0
  const pages = u32(cursor, 28)
  // Only when both counters agree is the number of pages that of now; it has been since 2010.
  if (!isPage || pages === 0 || u32(cursor, 24) !== u32(cursor, 92))
    return "it is not a whole SQLite database"
  cursor.at += pages * pageBytes
  return undefined
}
/** As many pages as it says itself. */
export const sqlite = () => structured(sqliteParser)

/** Where an HDF5 file says that it ends. */
const endOfHdf5 = (cursor: Cursor) => {
  const version = byteAt(cursor, 8)
  const offsetBytes = version < 2 ? byteAt(cursor, 13) : byteAt(cursor, 9)
  const base = version < 2 ? 24 + 4 * version : 12
  if (version > 3 || (offsetBytes !== 4 && offsetBytes !== 8)) return undefined
  const at = base + 2 * offsetBytes
  return offsetBytes === 8 ? u64le(cursor, at) : u32le(cursor, at)
}

export function* hdf5Parser(cursor: Cursor): Parser {
  if (!has(cursor, 64)) yield { bytes: 64 }
  if (textAt(cursor, 0, 8) !== "\x89HDF\r\n\x1a\n") return mismatch
  const end = endOfHdf5(cursor)
  if (end === undefined) return "it is not a whole HDF5 file"
  cursor.at += end
  return undefined
}
/** As long as it says itself. */
export const hdf5 = () => structured(hdf5Parser)

const classicFormats = ["CDF\x01", "CDF\x02", "CDF\x05"]

export function* netcdfParser(cursor: Cursor): Parser {
  if (!has(cursor, 32)) yield { bytes: 32 }
  if (!classicFormats.includes(textAt(cursor, 0, 4))) return yield* hdf5Parser(cursor)
  cursor.at = untilEnd
  return undefined
}
/** Of a climate, in the classic format or HDF5; or the text that a milling machine is given. */
export const netcdf = (): Inspector =>
  byHead(4, (head) => {
    const magic = latin1(head.subarray(0, 4))
    return magic === "\x89HDF" || classicFormats.includes(magic) ? structured(netcdfParser) : text()
  })

/** A number as Avro and others write it, seven bits a byte and its sign in the last one. */
function* zigzag(cursor: Cursor): Generator<Want, number, void> {
  let value = 0
  for (let index = 0; index < 10; index++) {
    if (!has(cursor, 1)) yield { bytes: 1 }
    const byte = byteAt(cursor, 0)
    cursor.at += 1
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  return Number.NaN
}

const isLength = (value: number) => Number.isSafeInteger(value) && value >= 0

export function* avroParser(cursor: Cursor): Parser {
  if (!has(cursor, 4)) yield { bytes: 4 }
  if (textAt(cursor, 0, 4) !== "Obj\x01") return mismatch
  cursor.at += 4
  const broken = "it is not a whole Avro file"
  for (let left = yield* zigzag(cursor); left !== 0; left = yield* zigzag(cursor)) {
    // Less than none: so many, and how many bytes they are.
    if (left < 0) yield* zigzag(cursor)
    if (!(Math.abs(left) <= 10_000)) return broken
    for (let texts = 2 * Math.abs(left); texts > 0; texts--) {
      const length = yield* zigzag(cursor)
      if (!isLength(length)) return broken
      cursor.at += length
    }
  }
  if (!has(cursor, 16)) yield { bytes: 16 }
  const sync = textAt(cursor, 0, 16)
  cursor.at += 16
  for (;;) {
    if (!has(cursor, 1)) yield { bytes: 1, orEnd: true }
    if (!has(cursor, 1)) return undefined
    yield* zigzag(cursor)
    const length = yield* zigzag(cursor)
    if (!isLength(length)) return broken
    cursor.at += length
    if (!has(cursor, 16)) yield { bytes: 16 }
    if (textAt(cursor, 0, 16) !== sync) return broken
    cursor.at += 16
  }
}
/** Blocks that each end with the same sixteen bytes. */
export const avro = () => structured(avroParser)

export function* matlabParser(cursor: Cursor): Parser {
  if (!has(cursor, 128)) yield { bytes: 128 }
  if (!/^MATLAB 5\.0 MAT-file/.test(textAt(cursor, 0, 19)) || !/^(?:IM|MI)$/.test(textAt(cursor, 126, 2)))
    return mismatch
  const isLittle = textAt(cursor, 126, 2) === "IM"
  const read = isLittle ? u32le : u32
  cursor.at += 128
  for (;;) {
    if (!has(cursor, 8)) yield { bytes: 8, orEnd: true }
    if (!has(cursor, 8)) return undefined
    const type = read(cursor, 0)
    // Variables, and those that are compressed.
    if (type !== 14 && type !== 15) return "it is not a whole MATLAB file"
    cursor.at += 8 + read(cursor, 4)
  }
}
/** Variables up to its last byte. */
export const matlab = () => structured(matlabParser)

function* sfntParser(cursor: Cursor): Parser {
  if (!has(cursor, 12)) yield { bytes: 12 }
  if (!["\0\x01\0\0", "OTTO", "true", "ttcf"].includes(textAt(cursor, 0, 4))) return mismatch
  if (textAt(cursor, 0, 4) === "ttcf") {
    cursor.at = untilEnd
    return undefined
  }
  const head = 12 + 16 * u16(cursor, 4)
  if (!has(cursor, head)) yield { bytes: head }
  let end = head
  for (let at = 12; at < head; at += 16) end = Math.max(end, u32(cursor, at + 8) + u32(cursor, at + 12))
  cursor.at += end
  // Tables are padded, the last one not always.
  if (!has(cursor, 1)) yield { bytes: 1, orEnd: true }
  cursor.at += Math.min((4 - (end % 4)) % 4, cursor.bytes.length - cursor.at)
  return undefined
}
/** As long as its tables reach. */
export const font = () => structured(sfntParser)

function* woffParser(cursor: Cursor): Parser {
  if (!has(cursor, 12)) yield { bytes: 12 }
  if (!/^wOF[F2]$/.test(textAt(cursor, 0, 4))) return mismatch
  cursor.at += u32(cursor, 8)
  return undefined
}
/** As long as it says itself. */
export const woff = () => structured(woffParser)

/** Begins as a PDF and ends with its end-of-file comment. Readers ask before they open what is attached to it. */
export const pdf = framed(
  ["%PDF-"],
  // Writers pad with NULs and white space.
  (tail) => tail.replaceAll("\0", " ").trimEnd().endsWith("%%EOF"),
  12,
  "data after its end"
)

/** What acts when it is opened, and what other files it has in it. */
const pdfActive =
  /\/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|GoToE|ImportData)(?=[^A-Za-z])|\/XFA\s*(?:\[|\d+\s+\d+\s+R)/
const pdfHidden = /\/(?:ObjStm|Encrypt)(?=[^A-Za-z])/

/** Names may be written with hex escapes. */
const unescaped = (pdf: string) =>
  pdf.replaceAll(/#([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

const flawOfPdf = (piece: string) => {
  const names = unescaped(piece)
  if (pdfActive.test(names)) return "it has active content"
  return pdfHidden.test(names) ? "it has compressed or encrypted objects, which may be active" : undefined
}

/** Nothing in it acts by itself, as its names tell, none of which may be hidden. */
export const passivePdf = () => search(flawOfPdf)

function* glbParser(cursor: Cursor): Parser {
  if (!has(cursor, 12)) yield { bytes: 12 }
  if (textAt(cursor, 0, 4) !== "glTF") return mismatch
  cursor.at += u32le(cursor, 8)
  return undefined
}
/** As long as it says itself. */
export const glb = () => structured(glbParser)

const pixmapBeginnings = Array.from("1234567", (kind) => `P${kind}`)
function* pixmapParser(cursor: Cursor): Parser {
  if (!has(cursor, 8)) yield { bytes: 8 }
  if (!pixmapBeginnings.includes(textAt(cursor, 0, 2)) || textAt(cursor, 2, 1).trim() !== "") return mismatch
  cursor.at = untilEnd
  return undefined
}
/** Begins as one. */
export const pixmap = () => structured(pixmapParser)

function* stataParser(cursor: Cursor): Parser {
  if (!has(cursor, 12)) yield { bytes: 12 }
  const isOld = byteAt(cursor, 0) >= 0x69 && byteAt(cursor, 0) <= 0x73 && byteAt(cursor, 1) <= 2
  const isKnown = textAt(cursor, 0, 11) === "<stata_dta>" || (isOld && u16(cursor, 2) === 0x0100)
  cursor.at = untilEnd
  return isKnown ? undefined : mismatch
}
/** Begins as one. */
export const stata = () => structured(stataParser)

/** Not a zip archive too, which is read from its end. */
export const withoutZip = () =>
  atEnd(65_557, (tail) => (latin1(tail).includes("PK\x05\x06") ? "a zip archive is appended" : undefined))

function* shapeParser(cursor: Cursor): Parser {
  if (!has(cursor, 100)) yield { bytes: 100 }
  const length = u32(cursor, 24) * 2
  if (u32(cursor, 0) !== 9994 || u32le(cursor, 28) !== 1000 || length < 100) return mismatch
  cursor.at += length
  return undefined
}
/** A shapefile's shapes or their index: as long as it says. */
export const shape = () => structured(shapeParser)

const dbaseVersions = [0x03, 0x30, 0x83]

function* dbaseParser(cursor: Cursor): Parser {
  if (!has(cursor, 32)) yield { bytes: 32 }
  const [records, header, width] = [u32le(cursor, 4), u16le(cursor, 8), u16le(cursor, 10)]
  if (!dbaseVersions.includes(byteAt(cursor, 0)) || header < 33 || width === 0) return mismatch
  cursor.at += header + records * width
  if (!has(cursor, 1)) yield { bytes: 1, orEnd: true }
  // What ended files once.
  if (has(cursor, 1) && byteAt(cursor, 0) === 0x1a) cursor.at += 1
  return undefined
}
/** A table of dBASE, as a shapefile has one: as long as it says. */
export const dbase = () => structured(dbaseParser)
