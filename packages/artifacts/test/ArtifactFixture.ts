import { crc32, deflateRawSync, deflateSync } from "node:zlib"

const u16 = (value: number) => Buffer.from([value & 255, (value >> 8) & 255])
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u32be = (value: number) => u32(value).reverse()

/** Whole files of most kinds, as small as they can be. */
export const text = (content: string) => Buffer.from(content)

const checksum: (bytes: Uint8Array) => number = crc32 ?? (() => 0)

const chunk = (kind: string, data: Uint8Array) => {
  const body = Buffer.concat([Buffer.from(kind), data])
  return Buffer.concat([u32be(data.length), body, u32be(checksum(body))])
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
  /** What the directory says instead of the truth. */
  readonly says?: { readonly uncompressed?: number; readonly flags?: number; readonly offset?: number }
}

export const zip = (entries: ReadonlyArray<ZipEntry>, comment = "") => {
  const files: Array<Buffer> = []
  const directory: Array<Buffer> = []
  let at = 0
  for (const { name, content, says = {} } of entries) {
    const data = deflateRawSync(content)
    const sizes = Buffer.concat([
      u32(checksum(content)),
      u32(data.length),
      u32(says.uncompressed ?? content.length)
    ])
    const common = Buffer.concat([
      u16(20),
      u16(says.flags ?? 0),
      u16(8),
      u32(0),
      sizes,
      u16(Buffer.byteLength(name)),
      u16(0)
    ])
    const file = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data])
    directory.push(
      Buffer.concat([
        Buffer.from("PK\x01\x02"),
        u16(20),
        common,
        u16(0),
        u16(0),
        u16(0),
        u32(0),
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

/** A whole file of each kind that is kept. */
export const whole: Readonly<Record<string, Uint8Array>> = {
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
  "a.png": png(),
  "a.jpg": jpeg,
  "a.jpeg": jpeg,
  "a.gif": gif,
  "a.webp": webp,
  "a.bmp": bmp,
  "a.mp3": mp3,
  "a.wav": wav,
  "a.mp4": mp4,
  "a.webm": webm,
  "a.pdf": pdf(),
  "a.parquet": parquet,
  "a.npy": npy("'<f8'", "(2, 3)", Buffer.alloc(48)),
  "a.docx": docx(),
  "a.xlsx": zip([{ name: "xl/workbook.xml", content: text("<workbook/>") }]),
  "a.pptx": zip([{ name: "ppt/presentation.xml", content: text("<presentation/>") }])
}
