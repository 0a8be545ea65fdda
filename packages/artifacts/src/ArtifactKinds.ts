import type { CheckName } from "./Inspection/Checks.js"

/** What a file must be to be kept. Plain data, so that it can be sent to where files are inspected. */
export interface ArtifactRules {
  /** What its first bytes may be taken for; `undefined`: nothing that is known. Texts are not asked. */
  readonly sniffed: ReadonlyArray<string | undefined>
  /** What all of its bytes must pass; the first flaw counts. */
  readonly checks: ReadonlyArray<CheckName>
}

/** What kinds are for, in the order in which people are shown them. */
export const artifactGroups = [
  "text",
  "source",
  "data",
  "documents",
  "images",
  "audio",
  "video",
  "archives"
] as const
export type ArtifactGroup = (typeof artifactGroups)[number]

/** A kind of file that may be kept. */
export interface ArtifactKind extends ArtifactRules {
  readonly group: ArtifactGroup
  /** What it is served as. That a text is UTF-8 is said when it is. */
  readonly mediaType: string
  /** What it must pass as well where no artifact may be active: run a script when it is opened. */
  readonly passive: ReadonlyArray<CheckName>
}

/** What may be kept, by the extension in lower case; the empty one is that of a name without. */
export type Whitelist = Readonly<Record<string, ArtifactKind>>

/** One kind with several extensions, which are separated by spaces. */
const of = (extensions: string, kind: ArtifactKind): Whitelist =>
  Object.fromEntries(extensions.split(" ").map((extension) => [extension, kind]))

/**
 * Plain texts may begin as these do: they have no magic number, or one of two bytes. UTF-16 looks like mp1, and is
 * refused as text.
 */
const plain = [undefined, "xml", "vtt", "vcf", "ics", "stl", "bmp", "mp1"]

const text = (group: ArtifactGroup, mediaType: string): ArtifactKind => ({
  group,
  mediaType: `${mediaType}; charset=utf-8`,
  sniffed: plain,
  checks: ["utf8"],
  passive: []
})

const page = (group: ArtifactGroup, mediaType: string): ArtifactKind => ({
  group,
  mediaType: `${mediaType}; charset=utf-8`,
  sniffed: [undefined, "xml", "mp1"],
  checks: ["utf8", "markup"],
  passive: []
})

const media = (
  group: ArtifactGroup,
  mediaType: string,
  sniffed: ReadonlyArray<string>,
  ...structure: ArtifactKind["checks"]
): ArtifactKind => ({
  group,
  mediaType,
  sniffed,
  checks: [...structure, "withoutScript", "withoutZip"],
  passive: []
})

const data = (
  group: ArtifactGroup,
  mediaType: string,
  sniffed: ArtifactKind["sniffed"],
  ...structure: ArtifactKind["checks"]
): ArtifactKind => ({
  group,
  mediaType,
  sniffed,
  checks: [...structure, "withoutZip"],
  passive: []
})

const office = (name: string, extension: "docx" | "xlsx" | "pptx"): ArtifactKind => ({
  group: "documents",
  mediaType: `application/vnd.openxmlformats-officedocument.${name}`,
  // The first bytes do not always tell a zip's use; its directory does.
  sniffed: [extension, "zip"],
  checks: [extension],
  passive: []
})

const texts: Whitelist = {
  ...of("txt log", text("text", "text/plain")),
  ...of("md", text("text", "text/markdown")),
  ...of("csv", text("data", "text/csv")),
  ...of("tsv", text("data", "text/tab-separated-values")),
  ...of("json", text("data", "application/json")),
  ...of("jsonl", text("data", "application/jsonl")),
  ...of("yaml yml", text("data", "application/yaml")),
  ...of("xml", page("data", "application/xml")),
  ...of("svg", page("images", "image/svg+xml")),
  ...of("html htm", page("documents", "text/html"))
}

const binaries: Whitelist = {
  ...of("png", media("images", "image/png", ["png", "apng"], "png")),
  ...of("jpg jpeg", media("images", "image/jpeg", ["jpg"], "jpeg")),
  ...of("gif", media("images", "image/gif", ["gif"], "gif")),
  ...of("webp", media("images", "image/webp", ["webp"], "riff")),
  ...of("bmp", media("images", "image/bmp", ["bmp"], "bmp")),
  ...of("mp3", media("audio", "audio/mpeg", ["mp3"])),
  ...of("wav", media("audio", "audio/wav", ["wav"], "riff")),
  ...of("mp4", media("video", "video/mp4", ["mp4", "m4v"], "mp4")),
  ...of("webm", media("video", "video/webm", ["webm"])),
  ...of("pdf", data("documents", "application/pdf", ["pdf"], "pdf", "pdfEnd")),
  ...of("parquet", data("data", "application/vnd.apache.parquet", ["parquet"], "parquet")),
  ...of("npy", data("data", "application/octet-stream", [undefined], "npy")),
  ...of("docx", office("wordprocessingml.document", "docx")),
  ...of("xlsx", office("spreadsheetml.sheet", "xlsx")),
  ...of("pptx", office("presentationml.presentation", "pptx"))
}

/** Whatever programs make for people to look at, and to go on with. */
export const defaultWhitelist: Whitelist = { ...texts, ...binaries }
