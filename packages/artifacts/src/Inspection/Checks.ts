import { anything } from "./Anything.js"
import { bzip2 } from "./Bzip2.js"
import { gzip } from "./Compressed.js"
import * as Data from "./DataFiles.js"
import * as Html from "./Html.js"
import * as Images from "./Images.js"
import type { Inside } from "./Inside.js"
import type { Inspector } from "./Inspector.js"
import * as Media from "./Media.js"
import { npy } from "./Npy.js"
import * as Office from "./Office.js"
import * as Shapes from "./Shapes.js"
import { tar } from "./Tar.js"
import * as Text from "./Text.js"
import * as Xml from "./Xml.js"
import { xz } from "./Xz.js"
import { npz, zip } from "./Zip.js"
import { zstd } from "./Zstd.js"

/** What the bytes of a file can be checked for, by name. */
export const checks = {
  text: Text.text,
  notPdf: Text.notPdf,
  withoutObjects: Text.withoutObjects,
  stl: Shapes.stl,
  ply: Shapes.ply,
  xml: Xml.xml,
  svg: Xml.svg,
  passiveHtml: Html.passive,
  passiveXml: Xml.passiveXml,
  passiveSvg: Xml.passiveSvg,
  withoutScript: Text.withoutScript,
  withoutZip: Data.withoutZip,
  anything,
  png: Images.png,
  jpeg: Images.jpeg,
  gif: Images.gif,
  bmp: Images.bmp,
  tiff: Media.tiff,
  ico: Media.ico,
  psd: Media.psd,
  webp: Media.riff("WEBP"),
  wav: Media.riff("WAVE"),
  avi: Media.riff("AVI ", "AVIX"),
  aiff: Media.aiff,
  mp4: Media.mp4,
  matroska: Media.matroska,
  ogg: Media.ogg,
  flac: Media.flac,
  mp3: Media.mp3,
  midi: Media.midi,
  aac: Media.aac,
  pdf: Data.pdf,
  passivePdf: Data.passivePdf,
  glb: Data.glb,
  pixmap: Data.pixmap,
  stata: Data.stata,
  parquet: Data.parquet,
  arrow: Data.arrow,
  orc: Data.orc,
  avro: Data.avro,
  sqlite: Data.sqlite,
  shape: Data.shape,
  dbase: Data.dbase,
  hdf5: Data.hdf5,
  netcdf: Data.netcdf,
  matlab: Data.matlab,
  font: Data.font,
  woff: Data.woff,
  npy,
  npz,
  zip,
  tar,
  gzip,
  bzip2,
  xz,
  zstd,
  docx: Office.officeDocument("word/document.xml"),
  xlsx: Office.officeDocument("xl/workbook.xml"),
  pptx: Office.officeDocument("ppt/presentation.xml"),
  odt: Office.openDocument("text"),
  ods: Office.openDocument("spreadsheet"),
  odp: Office.openDocument("presentation"),
  odg: Office.openDocument("graphics"),
  epub: Office.epub
} satisfies Readonly<Record<string, (inside: Inside) => Inspector>>

export type CheckName = keyof typeof checks
