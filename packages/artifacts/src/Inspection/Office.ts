import { extensionOf } from "../ArtifactPolicy.js"
import { refusalOf } from "../PackedFiles.js"
import { anything } from "./Anything.js"
import { has, textAt } from "./Cursor.js"
import type { Inside } from "./Inside.js"
import { all, type Inspector, structured } from "./Inspector.js"
import { zipParser } from "./Zip.js"

/** Programs that open documents unpack all of a part at once, so that it may not be as large as elsewhere. */
const harmlessBytes = 10_485_760

/** Parts that are documents or archives themselves, and go by the rules for those. */
const documents = new Set("docx xlsx pptx odt ods odp zip tar gz tgz bz2 xz zst".split(" "))
/** Source text, which is of no use in a document but to run. */
const scripts = new Set("bas bat cmd hta js jse ps1 py sh vb vbe vbs wsf wsh".split(" "))
const macros = /vbaproject|vbadata|(?:^|\/)(?:activex|macrosheets|basic|scripts)\//i

const partOf = (inside: Inside, part: Inside): Inspector | string => {
  const extension = extensionOf(part.name)
  if (macros.test(part.name) || scripts.has(extension)) return "it has a program or macros in it"
  const inner = { ...part, inspectorOf: inside.inspectorOf }
  return refusalOf(part.name) ?? (documents.has(extension) ? inside.inspectorOf(inner) : anything(inner))
}

/** A document that is a zip with a certain part. Its parts are data, documents and pictures, and nothing that runs. */
export const officeDocument =
  (part: string) =>
  (inside: Inside): Inspector =>
    structured((cursor) =>
      zipParser(cursor, { ...inside, harmlessBytes, inspectorOf: (entry) => partOf(inside, entry) }, part)
    )

/** The first entry of some zips says what they are. It is named so, and not compressed. */
const declared = (mediaType: string): Inspector =>
  structured(function* (cursor) {
    const declaration = `mimetype${mediaType}`
    if (!has(cursor, 30 + declaration.length)) yield { bytes: 30 + declaration.length }
    const isDeclared = textAt(cursor, 30, declaration.length) === declaration
    cursor.at = Number.POSITIVE_INFINITY
    return isDeclared ? undefined : "its content is not what its name says"
  })

/** A document of LibreOffice's kind. */
export const openDocument = (use: string) => {
  const document = officeDocument("content.xml")
  return (inside: Inside): Inspector =>
    all([declared(`application/vnd.oasis.opendocument.${use}`), document(inside)])
}

/** A book, whose parts go by the rules for those of archives. */
export const epub = (inside: Inside): Inspector =>
  all([
    declared("application/epub+zip"),
    structured((cursor) => zipParser(cursor, inside, "META-INF/container.xml"))
  ])
