import * as Formats from "./Formats.js"
import type { Inspector } from "./Inspector.js"
import * as Text from "./Text.js"
import { officeDocument } from "./Zip.js"

/** What the bytes of a file can be checked for, by name. */
export const checks = {
  utf8: Text.utf8,
  markup: Text.markup,
  withoutScript: Text.withoutScript,
  withoutZip: Formats.withoutZip,
  png: Formats.png,
  jpeg: Formats.jpeg,
  gif: Formats.gif,
  riff: Formats.riff,
  bmp: Formats.bmp,
  mp4: Formats.mp4,
  pdf: Formats.pdf,
  pdfEnd: Formats.pdfEnd,
  parquet: Formats.parquet,
  npy: Formats.npy,
  docx: officeDocument("word/document.xml"),
  xlsx: officeDocument("xl/workbook.xml"),
  pptx: officeDocument("ppt/presentation.xml")
} satisfies Readonly<Record<string, () => Inspector>>

export type CheckName = keyof typeof checks
