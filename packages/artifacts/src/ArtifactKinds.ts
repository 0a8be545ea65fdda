import type { CheckName } from "./Inspection/Checks.js"

/** What a file must be to be kept. Plain data, so that it can be sent to where files are inspected. */
export interface ArtifactRules {
  /** What its first bytes may be taken for; `undefined`: nothing that is known. None: its checks tell. Texts are not asked. */
  readonly sniffed: ReadonlyArray<string | undefined>
  /** What all of its bytes must pass; the first flaw counts. */
  readonly checks: ReadonlyArray<CheckName>
  /** The file's own name, which a compressed file's content goes by. */
  readonly name?: string
  /** What may be in an archive. Default: what may be kept by default. */
  readonly whitelist?: Whitelist
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

/** What its checks tell alone. */
const binary = (
  group: ArtifactGroup,
  mediaType: string,
  ...checks: ArtifactKind["checks"]
): ArtifactKind => ({ group, mediaType, sniffed: [], checks, passive: [] })

const office = (name: string, check: "docx" | "xlsx" | "pptx"): ArtifactKind =>
  binary("documents", `application/vnd.openxmlformats-officedocument.${name}`, check)

const openDocument = (use: string, check: "odt" | "ods" | "odp" | "odg"): ArtifactKind =>
  binary("documents", `application/vnd.oasis.opendocument.${use}`, check)

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

const images: Whitelist = {
  ...of("png apng", media("images", "image/png", ["png", "apng"], "png")),
  ...of("jpg jpeg jfif", media("images", "image/jpeg", ["jpg"], "jpeg")),
  ...of("gif", media("images", "image/gif", ["gif"], "gif")),
  ...of("webp", media("images", "image/webp", ["webp"], "webp")),
  ...of("bmp", media("images", "image/bmp", ["bmp"], "bmp")),
  ...of("tif tiff", binary("images", "image/tiff", "tiff", "withoutZip")),
  ...of("ico", binary("images", "image/vnd.microsoft.icon", "ico", "withoutZip")),
  ...of("avif", binary("images", "image/avif", "mp4", "withoutZip")),
  ...of("heic heif", binary("images", "image/heif", "mp4", "withoutZip")),
  ...of("jp2", binary("images", "image/jp2", "mp4", "withoutZip")),
  ...of("psd", binary("images", "image/vnd.adobe.photoshop", "psd", "withoutZip"))
}

const soundAndFilm: Whitelist = {
  ...of("mp3", media("audio", "audio/mpeg", ["mp3"], "mp3")),
  ...of("wav", media("audio", "audio/wav", ["wav"], "wav")),
  ...of("ogg oga opus spx", binary("audio", "audio/ogg", "ogg", "withoutZip")),
  ...of("flac", binary("audio", "audio/flac", "flac", "withoutZip")),
  ...of("m4a m4b", binary("audio", "audio/mp4", "mp4", "withoutZip")),
  ...of("aac", binary("audio", "audio/aac", "aac", "withoutZip")),
  ...of("aif aiff aifc", binary("audio", "audio/aiff", "aiff", "withoutZip")),
  ...of("weba", binary("audio", "audio/webm", "matroska", "withoutZip")),
  ...of("mka", binary("audio", "audio/matroska", "matroska", "withoutZip")),
  ...of("mp4 m4v", media("video", "video/mp4", ["mp4", "m4v"], "mp4")),
  ...of("webm", media("video", "video/webm", ["webm"], "matroska")),
  ...of("mkv", binary("video", "video/matroska", "matroska", "withoutZip")),
  ...of("mov", binary("video", "video/quicktime", "mp4", "withoutZip")),
  ...of("avi", binary("video", "video/x-msvideo", "avi", "withoutZip")),
  ...of("ogv", binary("video", "video/ogg", "ogg", "withoutZip"))
}

const documents: Whitelist = {
  ...of("pdf", binary("documents", "application/pdf", "pdf", "withoutZip")),
  ...of("docx", office("wordprocessingml.document", "docx")),
  ...of("xlsx", office("spreadsheetml.sheet", "xlsx")),
  ...of("pptx", office("presentationml.presentation", "pptx")),
  ...of("odt", openDocument("text", "odt")),
  ...of("ods", openDocument("spreadsheet", "ods")),
  ...of("odp", openDocument("presentation", "odp")),
  ...of("odg", openDocument("graphics", "odg")),
  ...of("epub", binary("documents", "application/epub+zip", "epub")),
  ...of("ttf", binary("documents", "font/ttf", "font", "withoutZip")),
  ...of("otf", binary("documents", "font/otf", "font", "withoutZip")),
  ...of("woff", binary("documents", "font/woff", "woff", "withoutZip")),
  ...of("woff2", binary("documents", "font/woff2", "woff", "withoutZip"))
}

const tables: Whitelist = {
  ...of("parquet", binary("data", "application/vnd.apache.parquet", "parquet", "withoutZip")),
  ...of("feather arrow", binary("data", "application/vnd.apache.arrow.file", "arrow", "withoutZip")),
  ...of("orc", binary("data", "application/vnd.apache.orc", "orc", "withoutZip")),
  ...of("avro", binary("data", "application/vnd.apache.avro", "avro", "withoutZip")),
  ...of("sqlite sqlite3 db db3 gpkg mbtiles", binary("data", "application/vnd.sqlite3", "sqlite")),
  ...of("h5 hdf5 hdf", binary("data", "application/x-hdf5", "hdf5", "withoutZip")),
  ...of("nc", binary("data", "application/netcdf", "netcdf", "withoutZip")),
  ...of("mat", binary("data", "application/x-matlab-data", "matlab", "withoutZip")),
  ...of("npy", binary("data", "application/octet-stream", "npy")),
  ...of("npz", binary("data", "application/zip", "npz"))
}

const archives: Whitelist = {
  ...of("zip", binary("archives", "application/zip", "zip")),
  ...of("tar", binary("archives", "application/x-tar", "tar")),
  ...of("gz tgz", binary("archives", "application/gzip", "gzip")),
  ...of("bz2 tbz2", binary("archives", "application/x-bzip2", "bzip2")),
  ...of("xz txz", binary("archives", "application/x-xz", "xz")),
  ...of("zst tzst", binary("archives", "application/zstd", "zstd"))
}

/** Whatever programs make for people to look at, and to go on with. */
export const defaultWhitelist: Whitelist = {
  ...texts,
  ...images,
  ...soundAndFilm,
  ...documents,
  ...tables,
  ...archives
}
