import * as Formats from "./Formats.js"
import * as Html from "./Html.js"
import type { Inspector } from "./Inspector.js"
import * as Shapes from "./Shapes.js"
import * as Text from "./Text.js"
import * as Xml from "./Xml.js"
import { officeDocument } from "./Zip.js"

/** What the bytes of a file can be checked for, by name. */
export const checks = {
  text: Text.text,
  notPdf: Text.notPdf,
  stl: Shapes.stl,
  ply: Shapes.ply,
  xml: Xml.xml,
  svg: Xml.svg,
  passiveHtml: Html.passive,
  passiveXml: Xml.passiveXml,
  passiveSvg: Xml.passiveSvg,
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
