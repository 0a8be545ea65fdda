import { flawOfPath } from "@bulkhead/domain"
import type { CheckName } from "./Inspection/Checks.js"

/** What a file must be to be kept. Plain data, so that it can be sent to where files are inspected. */
export interface ArtifactRules {
  /** What its first bytes may be taken for; `undefined`: nothing that is known. */
  readonly sniffed: ReadonlyArray<string | undefined>
  /** What all of its bytes must pass; the first flaw counts. */
  readonly checks: ReadonlyArray<CheckName>
}

/** A kind of file that may be kept. */
export interface ArtifactKind extends ArtifactRules {
  /** What it is served as. */
  readonly mediaType: string
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
  checks: ["utf8"]
})

const page = (mediaType: string): ArtifactKind => ({
  mediaType: `${mediaType}; charset=utf-8`,
  sniffed: [undefined, "xml", "mp1"],
  checks: ["utf8", "markup"]
})

const media = (
  mediaType: string,
  sniffed: ReadonlyArray<string>,
  ...structure: ArtifactKind["checks"]
): ArtifactKind => ({
  mediaType,
  sniffed,
  checks: [...structure, "withoutScript", "withoutZip"]
})

const data = (
  mediaType: string,
  sniffed: ArtifactKind["sniffed"],
  ...structure: ArtifactKind["checks"]
): ArtifactKind => ({
  mediaType,
  sniffed,
  checks: [...structure, "withoutZip"]
})

const office = (name: string, extension: "docx" | "xlsx" | "pptx"): ArtifactKind => ({
  mediaType: `application/vnd.openxmlformats-officedocument.${name}`,
  // The first bytes do not always tell a zip's use; its directory does.
  sniffed: [extension, "zip"],
  checks: [extension]
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
  png: media("image/png", ["png", "apng"], "png"),
  jpg: media("image/jpeg", ["jpg"], "jpeg"),
  jpeg: media("image/jpeg", ["jpg"], "jpeg"),
  gif: media("image/gif", ["gif"], "gif"),
  webp: media("image/webp", ["webp"], "riff"),
  bmp: media("image/bmp", ["bmp"], "bmp"),
  mp3: media("audio/mpeg", ["mp3"]),
  wav: media("audio/wav", ["wav"], "riff"),
  mp4: media("video/mp4", ["mp4", "m4v"], "mp4"),
  webm: media("video/webm", ["webm"]),
  pdf: data("application/pdf", ["pdf"], "pdf", "pdfEnd"),
  parquet: data("application/vnd.apache.parquet", ["parquet"], "parquet"),
  npy: data("application/octet-stream", [undefined], "npy"),
  docx: office("wordprocessingml.document", "docx"),
  xlsx: office("spreadsheetml.sheet", "xlsx"),
  pptx: office("presentationml.presentation", "pptx")
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
