import type { CheckName } from "./Inspection/Checks.js"

/** What a file must be to be kept. Plain data, so that it can be sent to where files are inspected. */
export interface ArtifactRules {
  /** What its first bytes may be taken for; `undefined` among them: nothing that is known. Absent: anything, as in texts. */
  readonly sniffed?: ReadonlyArray<string | undefined>
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

const textual = (
  group: ArtifactGroup,
  mediaType: string,
  checks: ArtifactKind["checks"],
  passive: ArtifactKind["passive"]
): ArtifactKind => ({ group, mediaType, checks, passive })

/** Its structure is that it is text, whatever it begins with. */
const text = (group: ArtifactGroup, mediaType: string) => textual(group, mediaType, ["text", "notPdf"], [])

/** What is allowed by name, and is in no table: text. */
export const anyText: ArtifactKind = text("text", "text/plain")

const xml = (group: ArtifactGroup, mediaType: string) =>
  textual(group, mediaType, ["text", "xml"], ["passiveXml"])

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
): ArtifactKind => ({ group, mediaType, checks, passive: [] })

const office = (name: string, check: "docx" | "xlsx" | "pptx"): ArtifactKind =>
  binary("documents", `application/vnd.openxmlformats-officedocument.${name}`, check)

const openDocument = (use: string, check: "odt" | "ods" | "odp" | "odg"): ArtifactKind =>
  binary("documents", `application/vnd.oasis.opendocument.${use}`, check)

const texts: Whitelist = {
  // A name without an extension.
  "": anyText,
  ...of("txt text log out err lst nfo asc readme license changes", anyText),
  ...of(
    "rst adoc asciidoc org textile wiki mediawiki typ tex ltx latex sty cls bst bbl dtx ins tikz lyx",
    anyText
  ),
  ...of("bib ris enw nbib po pot strings diff patch rej bak old orig", anyText),
  ...of("aux toc lof lot mbox b64 stdout stderr", anyText),
  ...of("pem crt cer csr key pub sig md5 sha1 sha256 sha512 sfv", anyText),
  ...of("sub sbv ass ssa lrc m3u m3u8 pls pgn fen sgf abc ly", anyText),
  ...of("md markdown mdx mkd qmd rmd", text("text", "text/markdown")),
  ...of("srt", text("text", "application/x-subrip")),
  ...of("vtt", text("text", "text/vtt")),
  ...of("ics ical ifb", text("text", "text/calendar")),
  ...of("vcf vcard", text("text", "text/vcard")),
  ...of("eml", text("text", "message/rfc822"))
}

const source = text("source", "text/plain")

/** What people and their tools write: read as text, and run by nobody here. */
const sources: Whitelist = {
  // As JavaScript or CSS, a page of the server's own could load what a program wrote.
  ...of("py pyi pyx pxd pxi ipy js mjs cjs ts mts cts tsx jsx vue svelte astro coffee es6 flow", source),
  ...of("css scss sass less styl pcss postcss", source),
  ...of("sql ddl dml psql pgsql plsql hql cql prql", source),
  ...of("sh bash zsh fish ksh csh tcsh ps1 psm1 psd1 bat cmd awk sed nu", source),
  ...of("java kt kts scala sc groovy gradle clj cljs cljc edn go rs rb erb rake gemspec ru", source),
  ...of("r rnw jl m c h cc cpp cxx c++ hh hpp hxx h++ inc ino inl ipp tpp ixx cu cuh mm", source),
  ...of(
    "cs csx razor cshtml fs fsx fsi swift php lua luau pl pm pod raku rakumod tcl tk d di zig zon nim",
    source
  ),
  ...of(
    "v vh sv svh vhd vhdl hs lhs cabal purs elm ml mli mll mly re rei ex exs eex heex erl hrl gleam",
    source
  ),
  ...of(
    "lisp lsp cl el scm ss rkt sld f f77 f90 f95 f03 f08 for ada adb ads gpr pas pp dpr lpr asm s nasm",
    source
  ),
  ...of("cob cbl cpy bas pro plt dart sol vy move cairo wat wast ll mlir qasm agda idr lean thy coq", source),
  ...of("glsl vert frag geom comp tesc tese hlsl fx wgsl metal shader cginc opencl", source),
  ...of(
    "gd tscn tres cfc cfm abap apex trigger sas do ado sps stan mo mod gms lp zpl scad gcode ngc nc",
    source
  ),
  ...of("proto thrift avdl graphql gql graphqls capnp fbs idl asn1 asn smithy tsp", source),
  ...of("tf tfvars hcl nomad bicep nix dhall jsonnet libsonnet cue rego k", source),
  ...of("cmake mk mak make am ac m4 in ninja bazel bzl bp build meson gn gyp gypi just sln", source),
  ...of(
    "dockerfile containerfile makefile jenkinsfile dockerignore gitignore gitattributes gitmodules",
    source
  ),
  ...of(
    "ini cfg conf config cnf properties prefs env example sample dist template tmpl tpl lock sum work",
    source
  ),
  ...of("service timer socket target path mount rules crontab cron htaccess nginx zone", source),
  ...of("j2 jinja jinja2 mustache hbs handlebars ejs pug jade haml slim twig liquid njk ftl vm", source),
  ...of("dot gv mmd mermaid puml plantuml d2 dbml feature robot http rest vim applescript", source),
  ...of("dtd ent rnc map snap ebnf bnf abnf g4 peg lark l y yy lex", source)
}

const json = text("data", "application/json")
const dataText = text("data", "text/plain")

const dataTexts: Whitelist = {
  ...of("csv", text("data", "text/csv")),
  ...of("tsv tab", text("data", "text/tab-separated-values")),
  ...of(
    "json jsonc json5 har webmanifest topojson avsc sarif arb code-workspace tfstate gltf cpuprofile heapsnapshot",
    json
  ),
  ...of("geojson", text("data", "application/geo+json")),
  ...of("jsonld", text("data", "application/ld+json")),
  ...of("ipynb", text("data", "application/x-ipynb+json")),
  ...of("jsonl ndjson", text("data", "application/jsonl")),
  ...of("yaml yml", text("data", "application/yaml")),
  ...of("toml", text("data", "application/toml")),
  ...of("psv ssv dat data arff libsvm svmlight ldif ldf qif ofx edi x12 hl7 ledger beancount cpg", dataText),
  ...of("wkt prj obj mtl off xyz pdb cif mmcif mol mol2 sdf sd smi gro top itp mdp gjf inp psf", dataText),
  ...of(
    "fa fasta gb gbk genbank embl fna faa ffn frn fq fastq gff gff3 gtf bed bedgraph wig sam maf phy phylip nex nexus",
    dataText
  ),
  ...of(
    "nwk newick tree aln clustal sto ttl nt nq n3 trig rq sparql dxf iges igs step stp prn tbl cube",
    dataText
  ),
  ...of("stl", textual("data", "model/stl", ["stl"], [])),
  ...of("ply", textual("data", "model/vnd.ply", ["ply", "withoutZip"], [])),
  ...of(
    "xml xsd xsl xslt rng wsdl rdf owl plist resx xlf xliff tmx csproj vbproj fsproj vcxproj",
    xml("data", "application/xml")
  ),
  ...of(
    "props targets nuspec pom drawio dio bpmn xmi graphml gexf gml dae x3d musicxml mei tei",
    xml("data", "application/xml")
  ),
  ...of(
    "opml rss atom kml gpx tcx ttml dfxp xaml axml storyboard xib ui qrc glade fb2 mml",
    xml("data", "application/xml")
  )
}

const pages: Whitelist = {
  ...of("html htm", textual("documents", "text/html", ["text"], ["passiveHtml"])),
  ...of("xhtml xht", xml("documents", "application/xhtml+xml")),
  ...of("svg", textual("images", "image/svg+xml", ["text", "svg"], ["passiveSvg"])),
  ...of("rtf", textual("documents", "application/rtf", ["text", "notPdf", "withoutObjects"], [])),
  ...of("eps epsf ps", text("documents", "application/postscript")),
  ...of("xpm xbm", text("images", "text/plain"))
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
  ...of("ppm pgm pbm pnm pam", binary("images", "image/x-portable-anymap", "pixmap", "withoutZip")),
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
  ...of("mid midi", binary("audio", "audio/midi", "midi", "withoutZip")),
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
  ...of("pdf", {
    ...binary("documents", "application/pdf", "pdf", "withoutZip"),
    passive: ["passivePdf"]
  }),
  ...of("dotx", office("wordprocessingml.template", "docx")),
  ...of("xltx", office("spreadsheetml.template", "xlsx")),
  ...of("potx", office("presentationml.template", "pptx")),
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
  ...of("feather arrow arrows", binary("data", "application/vnd.apache.arrow.file", "arrow", "withoutZip")),
  ...of("orc", binary("data", "application/vnd.apache.orc", "orc", "withoutZip")),
  ...of("avro", binary("data", "application/vnd.apache.avro", "avro", "withoutZip")),
  ...of("sqlite sqlite3 db db3 gpkg mbtiles", binary("data", "application/vnd.sqlite3", "sqlite")),
  ...of("h5 hdf5 hdf", binary("data", "application/x-hdf5", "hdf5", "withoutZip")),
  ...of("nc", binary("data", "application/netcdf", "netcdf", "withoutZip")),
  ...of("mat", binary("data", "application/x-matlab-data", "matlab", "withoutZip")),
  ...of("dta", binary("data", "application/x-stata-dta", "stata", "withoutZip")),
  ...of("shp shx", binary("data", "application/vnd.shp", "shape", "withoutZip")),
  ...of("dbf", binary("data", "application/vnd.dbf", "dbase", "withoutZip")),
  ...of("glb", binary("data", "model/gltf-binary", "glb")),
  ...of("kmz", binary("data", "application/vnd.google-earth.kmz", "zip")),
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
  ...sources,
  ...dataTexts,
  ...pages,
  ...images,
  ...soundAndFilm,
  ...documents,
  ...tables,
  ...archives
}
