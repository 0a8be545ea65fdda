import { flawOfPath } from "@bulkhead/domain"
import { Effect } from "effect"
import { fileTypeFromBuffer } from "file-type/core"
import * as Formats from "./Inspection/Formats.js"
import { all, type Inspector } from "./Inspection/Inspector.js"
import * as Text from "./Inspection/Text.js"
import { officeDocument } from "./Inspection/Zip.js"

/** A kind of file that may be kept. */
export interface ArtifactKind {
  /** What it is served as. */
  readonly mediaType: string
  /** What its first bytes may be taken for; `undefined`: nothing that is known. */
  readonly sniffed: ReadonlyArray<string | undefined>
  /** What all of its bytes must pass. */
  readonly inspect: ReadonlyArray<() => Inspector>
}

/** What may be kept, by the extension in lower case. */
export type Whitelist = Readonly<Record<string, ArtifactKind>>

/**
 * Plain texts may begin as these do: they have no magic number, or one of two bytes. UTF-16 looks like mp1, and is
 * refused as text.
 */
const plain = [undefined, "xml", "vtt", "vcf", "ics", "stl", "bmp", "mp1"]

const text = (mediaType: string): ArtifactKind => ({
  mediaType: `${mediaType}; charset=utf-8`,
  sniffed: plain,
  inspect: [Text.utf8]
})

const page = (mediaType: string): ArtifactKind => ({
  mediaType: `${mediaType}; charset=utf-8`,
  sniffed: [undefined, "xml", "mp1"],
  inspect: [Text.utf8, Text.markup]
})

const media = (mediaType: string, sniffed: ReadonlyArray<string>, ...structure: ArtifactKind["inspect"]) => ({
  mediaType,
  sniffed,
  inspect: [...structure, Text.withoutScript, Formats.withoutZip]
})

const data = (
  mediaType: string,
  sniffed: ArtifactKind["sniffed"],
  ...structure: ArtifactKind["inspect"]
) => ({
  mediaType,
  sniffed,
  inspect: [...structure, Formats.withoutZip]
})

const office = (name: string, extension: string, part: string): ArtifactKind => ({
  mediaType: `application/vnd.openxmlformats-officedocument.${name}`,
  // The first bytes do not always tell a zip's use; its directory does.
  sniffed: [extension, "zip"],
  inspect: [officeDocument(part)]
})

/** Texts, images, documents, tables, arrays, sound and film: what programs make for people to look at. */
export const defaultWhitelist: Whitelist = {
  txt: text("text/plain"),
  log: text("text/plain"),
  md: text("text/markdown"),
  csv: text("text/csv"),
  tsv: text("text/tab-separated-values"),
  json: text("application/json"),
  jsonl: text("application/jsonl"),
  yaml: text("application/yaml"),
  yml: text("application/yaml"),
  xml: page("application/xml"),
  svg: page("image/svg+xml"),
  html: page("text/html"),
  htm: page("text/html"),
  png: media("image/png", ["png", "apng"], Formats.png),
  jpg: media("image/jpeg", ["jpg"], Formats.jpeg),
  jpeg: media("image/jpeg", ["jpg"], Formats.jpeg),
  gif: media("image/gif", ["gif"], Formats.gif),
  webp: media("image/webp", ["webp"], Formats.riff),
  bmp: media("image/bmp", ["bmp"], Formats.bmp),
  mp3: media("audio/mpeg", ["mp3"]),
  wav: media("audio/wav", ["wav"], Formats.riff),
  mp4: media("video/mp4", ["mp4", "m4v"], Formats.mp4),
  webm: media("video/webm", ["webm"]),
  pdf: data("application/pdf", ["pdf"], Formats.pdf, Formats.pdfEnd),
  parquet: data("application/vnd.apache.parquet", ["parquet"], Formats.parquet),
  npy: data("application/octet-stream", [undefined], Formats.npy),
  docx: office("wordprocessingml.document", "docx", "word/document.xml"),
  xlsx: office("spreadsheetml.sheet", "xlsx", "xl/workbook.xml"),
  pptx: office("presentationml.presentation", "pptx", "ppt/presentation.xml")
}

const extensionOf = (name: string) => {
  const at = name.lastIndexOf(".")
  return at < 0 || name.includes("/", at) ? "" : name.slice(at + 1).toLowerCase()
}

const kindOf = (name: string, whitelist: Whitelist): ArtifactKind | undefined =>
  Object.hasOwn(whitelist, extensionOf(name)) ? whitelist[extensionOf(name)] : undefined

/** What an artifact of this name is served as; always as an attachment that no browser may take for something else. */
export const mediaTypeOf = (name: string, whitelist = defaultWhitelist): string =>
  kindOf(name, whitelist)?.mediaType ?? "application/octet-stream"

/** The kind that a name promises, or what is wrong with the name. */
export const judgeName = (name: string, whitelist = defaultWhitelist): ArtifactKind | string => {
  const flaw = flawOfPath(name)
  if (flaw !== undefined) return `its name is not allowed: ${flaw}`
  if (name.includes("\\")) return "its name is not allowed: it has a backslash"
  if (name.split("/").some((part) => part.startsWith("."))) return "its name is not allowed: it is hidden"
  const extension = extensionOf(name)
  return (
    kindOf(name, whitelist) ?? (extension === "" ? "it has no extension" : "its extension is not allowed")
  )
}

/** How many first bytes tell what a file is. */
export const sniffedBytes = 4100

/** What the first bytes of a file are taken for; `undefined`: nothing that is known, or that can be read to the end. */
const sniff = (head: Uint8Array) =>
  Effect.tryPromise(() => fileTypeFromBuffer(head)).pipe(
    Effect.map((found) => found?.ext as string | undefined),
    Effect.timeout("5 seconds"),
    Effect.orElseSucceed(() => undefined)
  )

const isNpy = (head: Uint8Array) =>
  head[0] === 0x93 && String.fromCharCode(...head.subarray(1, 6)) === "NUMPY"

/** What is wrong with the first bytes of a file of this kind, if anything is. */
export const judgeHead = Effect.fnUntraced(function* (kind: ArtifactKind, head: Uint8Array) {
  if (head.length === 0) return kind.inspect.includes(Text.utf8) ? undefined : "it is empty"
  const found = yield* sniff(head)
  const matches = kind.inspect.includes(Formats.npy) ? isNpy(head) : kind.sniffed.includes(found)
  if (matches) return undefined
  return found === undefined
    ? "its content is not what its name says"
    : `its content is not what its name says: it looks like ${found}`
})

/** Looks at every byte of a file of this kind. */
export const inspectorOf = (kind: ArtifactKind): Inspector => all(kind.inspect.map((make) => make()))
