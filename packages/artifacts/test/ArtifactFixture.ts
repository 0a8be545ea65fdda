import { deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { crc32 } from "../src/Inspection/Crc32.js"

const u16 = (value: number) => Buffer.from([value & 255, (value >> 8) & 255])
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u32be = (value: number) => u32(value).reverse()

/** Whole files of most kinds, as small as they can be. */
export const text = (content: string) => Buffer.from(content)

const chunk = (kind: string, data: Uint8Array) => {
  const body = Buffer.concat([Buffer.from(kind), data])
  return Buffer.concat([u32be(data.length), body, u32be(crc32(body))])
}

export const png = (...more: ReadonlyArray<readonly [string, string]>) =>
  Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0])),
    ...more.map(([kind, data]) => chunk(kind, Buffer.from(data))),
    chunk("IDAT", deflateSync(Buffer.from([0, 255, 0, 0]))),
    chunk("IEND", Buffer.alloc(0))
  ])

export const gif = Buffer.from(
  "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b",
  "hex"
)

/** With a restart and a stuffed byte in its scan, fill bytes before a marker, and a second scan. */
export const jpeg = Buffer.from(
  `ffd8ffe000104a46494600010100000100010000ffdb0043${"00".padEnd(130, "01")}ffffffc0000b080001000101011100ffda0008010100003f0054ff00d0ffd0aaffda0008010100003f0054ffd9`,
  "hex"
)

const riff = (kind: string, content: Uint8Array) =>
  Buffer.concat([Buffer.from("RIFF"), u32(content.length + 4), Buffer.from(kind), content])

export const wav = riff(
  "WAVE",
  Buffer.from("fmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0", "latin1")
)
export const webp = riff(
  "WEBP",
  Buffer.from("VP8L\x0d\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0", "latin1")
)
export const bmp = Buffer.concat([
  Buffer.from("BM"),
  u32(58),
  u32(0),
  u32(54),
  u32(40),
  u32(1),
  u32(1),
  Buffer.from([1, 0, 24, 0]),
  Buffer.alloc(24),
  Buffer.from([0, 0, 255, 0])
])

const box = (kind: string, content: Uint8Array) =>
  Buffer.concat([u32be(content.length + 8), Buffer.from(kind), content])
export const mp4 = Buffer.concat([
  box("ftyp", Buffer.from("isom\0\0\x02\0isomiso2")),
  box("free", Buffer.alloc(3)),
  box("mdat", Buffer.alloc(64))
])
export const webm = Buffer.concat([
  Buffer.from(
    "1a45dfa39f4286810142f7810142f2810442f381084282847765626d42878104428581021853806701ffffffffffffff",
    "hex"
  ),
  Buffer.alloc(16)
])
export const mp3 = Buffer.concat([
  Buffer.from("ID3\x03\0\0\0\0\0\x0a"),
  Buffer.alloc(10),
  Buffer.from([0xff, 0xfb, 0x90, 0x64]),
  Buffer.alloc(413)
])
export const elf = Buffer.from("\x7fELF\x02\x01\x01\0".padEnd(128, "\0"), "latin1")
export const pdf = (more = "") =>
  text(
    `%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R ${more}>>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n`
  )
export const parquet = Buffer.from("PAR1\x15\0\x15\0\x15\0\x04\0\0\0PAR1")

export const npy = (descr: string, shape: string, data: Uint8Array) => {
  const header = Buffer.from(
    `${`{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117)}\n`
  )
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\0", "latin1"), u16(header.length), header, data])
}

export interface ZipEntry {
  readonly name: string
  readonly content: Uint8Array
  readonly isStored?: boolean
  /** What Unix would have it be, such as a link. */
  readonly mode?: number
  /** What the directory says instead of the truth. */
  readonly says?: { readonly uncompressed?: number; readonly flags?: number; readonly offset?: number }
}

export const zip = (entries: ReadonlyArray<ZipEntry>, comment = "") => {
  const files: Array<Buffer> = []
  const directory: Array<Buffer> = []
  let at = 0
  for (const { name, content, isStored = false, mode = 0, says = {} } of entries) {
    const data = isStored ? content : deflateRawSync(content)
    const sizes = Buffer.concat([
      u32(crc32(content)),
      u32(data.length),
      u32(says.uncompressed ?? content.length)
    ])
    const common = Buffer.concat([
      u16(20),
      u16(says.flags ?? 0),
      u16(isStored ? 0 : 8),
      u32(0),
      sizes,
      u16(Buffer.byteLength(name)),
      u16(0)
    ])
    const file = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data])
    directory.push(
      Buffer.concat([
        Buffer.from("PK\x01\x02"),
        u16(mode === 0 ? 20 : 0x0314),
        common,
        u16(0),
        u16(0),
        u16(0),
        u32(mode * 65_536),
        u32(says.offset ?? at),
        Buffer.from(name)
      ])
    )
    files.push(file)
    at += file.length
  }
  const listed = Buffer.concat(directory)
  const end = [
    Buffer.from("PK\x05\x06"),
    u16(0),
    u16(0),
    u16(entries.length),
    u16(entries.length),
    u32(listed.length),
    u32(at),
    u16(comment.length),
    Buffer.from(comment)
  ]
  return Buffer.concat([...files, listed, ...end])
}

export const docx = (...more: ReadonlyArray<ZipEntry>) =>
  zip([
    { name: "[Content_Types].xml", content: text("<Types/>") },
    { name: "word/document.xml", content: text("<document/>") },
    ...more
  ])

export interface TarEntry {
  readonly name: string
  readonly content?: Uint8Array
  readonly type?: string
  readonly target?: string
}

const block = 512
const padded = (bytes: Uint8Array) =>
  Buffer.concat([bytes, Buffer.alloc((block - (bytes.length % block)) % block)])

const tarHeader = ({ content = Buffer.alloc(0), name, target = "", type = "0" }: TarEntry) => {
  const header = Buffer.alloc(block)
  header.write(name, 0)
  header.write("0000644", 100)
  header.write(content.length.toString(8).padStart(11, "0"), 124)
  header.write(`        ${type}${target}`, 148)
  header.write("ustar\x0000", 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return header
}

export const tar = (entries: ReadonlyArray<TarEntry>) =>
  Buffer.concat([
    ...entries.flatMap((entry) => [tarHeader(entry), padded(entry.content ?? Buffer.alloc(0))]),
    Buffer.alloc(2 * block)
  ])

/** An Open Document, or a book. */
export const declared = (mediaType: string, part: string, ...more: ReadonlyArray<ZipEntry>) =>
  zip([
    { name: "mimetype", content: text(mediaType), isStored: true },
    { name: part, content: text("<x/>") },
    ...more
  ])
const openDocument = (use: string) => declared(`application/vnd.oasis.opendocument.${use}`, "content.xml")

const table = text("a,b\n")
export const bzip2ed = Buffer.from(
  "425a683931415926535903433ae000000151000010000430002000219a68334d173c5dc914e142400d0ceb80",
  "hex"
)
export const xzed = Buffer.from(
  "fd377a585a000004e6d6b4460200210116000000742fe5a3010003612c620a000f3f2aecc5dd331600011c046f2c9cc11fb6f37d010000000004595a",
  "hex"
)
/** One frame with one block that is not compressed. */
export const zstded = Buffer.concat([Buffer.from("28b52ffd2004210000", "hex"), table])

/** Tar archives with nothing in them. */
const packedTar = {
  bz2: Buffer.from(
    "425a683931415926535974f5adf70000044000c0000008200030802a6945ac38bb9229c28483a7ad6fb8",
    "hex"
  ),
  xz: Buffer.from(
    "fd377a585a000004e6d6b4460200210116000000742fe5a3e003ff000b5d00006ffdffffa3b77f46320000000c276920976378c300012780080000002e79aeadb1c467fb020000000004595a",
    "hex"
  ),
  zst: Buffer.from("28b52ffd04584d00001000000100fb2b8005cdac85f0", "hex")
}

const page = Buffer.concat([Buffer.from("OggS\0\x02"), Buffer.alloc(20), Buffer.from([1, 3]), text("abc")])
const flac = Buffer.concat([
  Buffer.from("fLaC\x80\0\0\x22", "latin1"),
  Buffer.alloc(34),
  Buffer.from("fff8c9", "hex")
])
const aac = Buffer.concat([Buffer.from("fff150800101fc", "hex"), Buffer.alloc(1)])
const aiff = Buffer.concat([Buffer.from("FORM"), u32be(4), Buffer.from("AIFF")])
const matroska = Buffer.from("1a45dfa38b4282886d6174726f736b611853806784ec820000", "hex")
const tiff = Buffer.concat([Buffer.from("II*\0"), u32(8), u16(0), u32(0), u16(0)])
const ico = Buffer.concat([u16(0), u16(1), u16(1), Buffer.alloc(8), u32(png().length), u32(22), png()])
const psd = Buffer.concat([
  Buffer.from("8BPS\0\x01"),
  Buffer.alloc(6),
  Buffer.from("00030000000100000001000800030000000000000000000000000000", "hex")
])
const jp2 = Buffer.concat([
  box("jP  ", Buffer.from("0d0a870a", "hex")),
  box("ftyp", Buffer.from("jp2 \0\0\0\0jp2 ")),
  box("jp2c", Buffer.alloc(4))
])
const sqlite = Buffer.alloc(512)
sqlite.write("SQLite format 3\0")
for (const [at, value] of [
  [16, 0x02000101],
  [24, 1],
  [28, 1],
  [92, 1]
] as const)
  sqlite.writeUInt32BE(value, at)
const hdf5 = Buffer.concat([
  Buffer.from("894844460d0a1a0a0000000000080800", "hex"),
  Buffer.alloc(24),
  u32(64),
  Buffer.alloc(20)
])
const avro = Buffer.concat([
  Buffer.from("Obj\x01\x02\x02k\x02v\0"),
  Buffer.alloc(16, 7),
  Buffer.from([2, 2, 0]),
  Buffer.alloc(16, 7)
])
const matlab = Buffer.concat([
  Buffer.from("MATLAB 5.0 MAT-file".padEnd(124)),
  Buffer.from("\0\x01IM"),
  u32(15),
  u32(4),
  u32(0)
])
const font = Buffer.concat([
  Buffer.from("\0\x01\0\0\0\x01\0\0\0\0\0\0cmap"),
  u32be(0),
  u32be(28),
  u32be(4),
  Buffer.alloc(4)
])
const woff = (version: string) => Buffer.concat([Buffer.from(version), u32be(0x10000), u32be(16), u32be(0)])

const midi = Buffer.from("4d54686400000006000000010060" + "4d54726b0000000400ff2f00", "hex")
const shape = Buffer.concat([u32be(9994), Buffer.alloc(20), u32be(50), u32(1000), Buffer.alloc(68)])
/** A field, and a row of two bytes. */
const dbase = Buffer.concat([
  Buffer.from("037e010101000000410002", "hex"),
  Buffer.alloc(53),
  Buffer.from("\r a\x1a")
])

const named = (extensions: string, content: Uint8Array) =>
  Object.fromEntries(extensions.split(" ").map((extension) => [`a.${extension}`, content]))

/** A whole file of each kind that is no text. */
const binaries: Readonly<Record<string, Uint8Array>> = {
  ...named("png apng", png()),
  ...named("jpg jpeg jfif", jpeg),
  ...named("tif tiff", tiff),
  ...named("ico", ico),
  ...named("psd", psd),
  ...named("jp2", jp2),
  ...named("mp4 m4v mov m4a m4b avif heic heif", mp4),
  ...named("webm weba", webm),
  ...named("mkv mka", matroska),
  ...named("avi", riff("AVI ", Buffer.alloc(0))),
  ...named("ogg oga ogv opus spx", page),
  ...named("flac", flac),
  ...named("aac", aac),
  ...named("aif aiff aifc", aiff),
  ...named("mid midi", midi),
  ...named("shp shx", shape),
  ...named("dbf", dbase),
  ...named("odt", openDocument("text")),
  ...named("ods", openDocument("spreadsheet")),
  ...named("odp", openDocument("presentation")),
  ...named("odg", openDocument("graphics")),
  ...named("epub", declared("application/epub+zip", "META-INF/container.xml")),
  ...named("ttf otf", font),
  ...named("woff", woff("wOFF")),
  ...named("woff2", woff("wOF2")),
  ...named("dotx", docx()),
  ...named("xltx", zip([{ name: "xl/workbook.xml", content: text("<x/>") }])),
  ...named("potx", zip([{ name: "ppt/presentation.xml", content: text("<x/>") }])),
  ...named("ppm pgm pbm pnm pam", text("P3\n1 1\n255\n0 0 0\n")),
  ...named("dta", Buffer.concat([Buffer.from("7202010001000000", "hex"), Buffer.alloc(8)])),
  ...named("glb", Buffer.concat([Buffer.from("glTF"), u32(2), u32(12)])),
  ...named("kmz", zip([{ name: "doc.kml", content: text("<kml/>") }])),
  ...named("feather arrow arrows", Buffer.from("ARROW1\0\0\0\0\0\0ARROW1")),
  ...named("orc", Buffer.from("ORC\0\0\0ORC\x04")),
  ...named("avro", avro),
  ...named("sqlite sqlite3 db db3 gpkg mbtiles", sqlite),
  ...named("h5 hdf5 hdf", hdf5),
  ...named("nc", Buffer.from("CDF\x01".padEnd(32, "\0"))),
  ...named("mat", matlab),
  ...named("npz", zip([{ name: "x.npy", content: npy("'<f8'", "(2, 3)", Buffer.alloc(48)) }])),
  ...named("zip", zip([{ name: "a/a.csv", content: table }])),
  ...named("tar", tar([{ name: "a/a.csv", content: table }])),
  ...named("gz", gzipSync(table)),
  ...named("tgz", gzipSync(tar([{ name: "a.csv", content: table }]))),
  ...named("bz2", bzip2ed),
  ...named("tbz2", packedTar.bz2),
  ...named("xz", xzed),
  ...named("txz", packedTar.xz),
  ...named("zst", zstded),
  ...named("tzst", packedTar.zst)
}

/** A whole file of each kind that is kept. */
export const whole: Readonly<Record<string, Uint8Array>> = {
  ...binaries,
  "a.txt": text("plain, même ü, 🙂\n"),
  "a.log": text("\x1b[31mred\x1b[0m\n"),
  "a.md": text("# Title\n"),
  "a.csv": text("BMI,age\n22,30\n"),
  "a.tsv": text("a\tb\n"),
  "a.json": text('{"a": 1}'),
  "a.jsonl": text("{}\n{}\n"),
  "a.yaml": text("a: 1\n"),
  "a.yml": text("a: 1\n"),
  "a.xml": text('<?xml version="1.0" encoding="UTF-8"?><a/>'),
  "a.svg": text(
    '<svg xmlns="http://www.w3.org/2000/svg"><style type="text/css">*{}</style><image href="data:image/png;base64,iVBORw0="/></svg>'
  ),
  "a.html": text(
    '<!DOCTYPE html><meta charset="utf-8"><table border="1" class="dataframe"><tr><td>1</td></tr></table>'
  ),
  "a.htm": text("<p>once upon a time</p>"),
  "a.stl": Buffer.concat([Buffer.alloc(80), u32(2), Buffer.alloc(100)]),
  "a.ply": Buffer.concat([text("ply\nformat binary_little_endian 1.0\nend_header\n"), Buffer.alloc(12)]),
  "a.gif": gif,
  "a.webp": webp,
  "a.bmp": bmp,
  "a.mp3": mp3,
  "a.wav": wav,
  "a.pdf": pdf(),
  "a.parquet": parquet,
  "a.npy": npy("'<f8'", "(2, 3)", Buffer.alloc(48)),
  "a.docx": docx(),
  "a.xlsx": zip([{ name: "xl/workbook.xml", content: text("<workbook/>") }]),
  "a.pptx": zip([{ name: "ppt/presentation.xml", content: text("<presentation/>") }])
}
