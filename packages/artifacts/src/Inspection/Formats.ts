import { atEnd, type Parser, search, structured } from "./Inspector.js"

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes)
const byte = (bytes: Uint8Array) => bytes[0] ?? 0

function* pngParser(): Parser {
  yield { skip: 8 }
  for (;;) {
    const head = yield { take: 8 }
    yield { skip: view(head).getUint32(0) + 4 }
    if (text(head.subarray(4)) === "IEND") return undefined
  }
}
/** Ends with its last chunk. */
export const png = () => structured(pngParser)

const colorTable = (packed: number) => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0)

function* gifBlocks(): Generator<{ take: number } | { skip: number }, void, Uint8Array> {
  for (;;) {
    const length = byte(yield { take: 1 })
    if (length === 0) return
    yield { skip: length }
  }
}

function* gifParser(): Parser {
  const screen = yield { take: 13 }
  yield { skip: colorTable(screen[10] ?? 0) }
  for (;;) {
    const kind = byte(yield { take: 1 })
    if (kind === 0x3b) return undefined
    if (kind === 0x2c) {
      const image = yield { take: 9 }
      yield { skip: colorTable(image[8] ?? 0) + 1 }
    } else if (kind === 0x21) yield { skip: 1 }
    else return "it is not a whole GIF"
    yield* gifBlocks()
  }
}
/** Ends with its trailer. */
export const gif = () => structured(gifParser)

type Bytes<A> = Generator<{ past: number } | { take: number }, A, Uint8Array>

/** The marker that stands here; 0: there is none. */
function* markerHere(): Bytes<number> {
  if (byte(yield { take: 1 }) !== 0xff) return 0
  return yield* markerAfterFill()
}

function* markerAfterFill(): Bytes<number> {
  let marker = 0xff
  while (marker === 0xff) marker = byte(yield { take: 1 })
  return marker
}

const isRestart = (marker: number) => marker >= 0xd0 && marker <= 0xd7

/** The marker after a scan, whose own 0xff bytes are followed by 0 or by a restart. */
function* markerAfterScan(): Bytes<number> {
  let marker = 0
  while (marker === 0 || isRestart(marker)) {
    yield { past: 0xff }
    marker = yield* markerAfterFill()
  }
  return marker
}

function* jpegParser(): Parser {
  yield { skip: 2 }
  for (let marker = yield* markerHere(); marker !== 0xd9; ) {
    const length = marker === 0 ? 0 : view(yield { take: 2 }).getUint16(0)
    if (length < 2) return "it is not a whole JPEG"
    yield { skip: length - 2 }
    marker = marker === 0xda ? yield* markerAfterScan() : yield* markerHere()
  }
  return undefined
}
/** Ends with its end-of-image marker. */
export const jpeg = () => structured(jpegParser)

function* riffParser(): Parser {
  const head = yield { take: 8 }
  const size = view(head).getUint32(4, true)
  yield { skip: size + (size % 2) }
  return undefined
}
/** WAV or WebP as long as it says itself. */
export const riff = () => structured(riffParser)

function* bmpParser(): Parser {
  const head = yield { take: 6 }
  const size = view(head).getUint32(2, true)
  if (size < 26) return "it is not a whole BMP"
  yield { skip: size - 6 }
  return undefined
}
/** As long as it says itself. */
export const bmp = () => structured(bmpParser)

const boxes = new Set("ftyp moov mdat free skip wide moof mfra sidx styp meta pdin emsg ssix prft".split(" "))

function* mp4Parser(): Parser {
  for (;;) {
    const head = yield { take: 8, orEnd: true }
    const size = view(head).getUint32(0)
    if (!boxes.has(text(head.subarray(4)))) return "it has parts that are not of an MP4"
    if (size === 0) yield { skip: Number.POSITIVE_INFINITY, orEnd: true }
    else if (size === 1) {
      const large = Number(view(yield { take: 8 }).getBigUint64(0))
      if (large < 16) return "it is not a whole MP4"
      yield { skip: large - 16 }
    } else if (size < 8) return "it is not a whole MP4"
    else yield { skip: size - 8 }
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

function* npyParser(): Parser {
  const head = yield { take: 8 }
  const wide = (head[6] ?? 0) > 1
  const lengthBytes = yield { take: wide ? 4 : 2 }
  const length = wide ? view(lengthBytes).getUint32(0, true) : view(lengthBytes).getUint16(0, true)
  if (length > 4096) return "it is not a NumPy array"
  const header = text(yield { take: length })
  // To load them is to unpickle them, which runs whatever they say.
  if (/['"|<>=]O\d*['"]/.test(header)) return "it holds pickled objects"
  const size = npySize(header)
  if (size === undefined || !Number.isSafeInteger(size))
    return "it holds elements that are not plain numbers or text"
  yield { skip: size }
  return undefined
}
/** A NumPy array of plain elements, without pickled objects. */
export const npy = () => structured(npyParser)

/** Begins and ends with its magic word. */
export const parquet = () =>
  atEnd(8, (tail) => (text(tail.subarray(-4)) === "PAR1" ? undefined : "it is cut short"))

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
    /%%EOF[\s\x00]*$/.test(text(tail)) ? undefined : "data after its end"
  )

/** Not a zip archive too, which is read from its end. */
export const withoutZip = () =>
  atEnd(65_557, (tail) => (text(tail).includes("PK\x05\x06") ? "a zip archive is appended" : undefined))
