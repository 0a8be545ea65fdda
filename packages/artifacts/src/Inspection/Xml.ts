import { Option } from "effect"
import { type SaxesAttributeNS, SaxesParser, type SaxesTagNS } from "saxes"
import * as ActiveContent from "./ActiveContent.js"
import { byHead, type Inspector, latin1, parse } from "./Inspector.js"
import { markedEncoding } from "./Text.js"

/** The root element must begin within this many characters. */
const mostProlog = 1_048_576
/** As deep as most tools read. */
const mostDepth = 256
/** Bytes in which the encoding is declared. */
const declarationBytes = 1024

const decoderFor = Option.liftThrowable((label: string) => new TextDecoder(label))

/** Names that Python and others write of encodings in which ASCII is ASCII: no more is looked for. */
const likeAscii = /^(?:ascii|latin[-_]?\d+|utf_8|iso8859_\d+|cp(?:437|720|737|775|8[56]\d)|mac[-_]\w+)$/i

type Decoder = InstanceType<typeof TextDecoder>

const declaration = /^\s*<\?xml\s[^>]*?\bencoding\s*=\s*["']([\w.:-]{1,64})["']/

/** `<?xm` in the encodings of mainframes, which parsers of XML know by it. */
const ebcdic = "\x4c\x6f\xa7\x94"

/** By its byte order mark, or else by what it declares; UTF-8 if it says nothing. None: an encoding that is not known. */
const decoderOf = (head: Uint8Array) => {
  const text = latin1(head).replace("\xef\xbb\xbf", "")
  const isCut = /^\s*<\?xml\s[^>]*$/.test(text) && head.length >= declarationBytes
  if (text.startsWith(ebcdic) || isCut) return Option.none()
  const label = markedEncoding(head) ?? declaration.exec(text)?.[1] ?? "utf-8"
  return decoderFor(likeAscii.test(label) ? "latin1" : label)
}

/** Entities that are short, and refer to no other and to no file: nothing grows or is read when they are resolved. */
const plainEntity =
  /<!ENTITY\s+[^\s%"'<>&]+\s+(?:"(?:[^"&%]|&(?:#\w+|lt|gt|amp|quot|apos);){0,200}"|'(?:[^'&%]|&(?:#\w+|lt|gt|amp|quot|apos);){0,200}')\s*>/g

const count = (text: string, part: string) => text.split(part).length - 1

/** A document type that makes a tool read files, or something grow without end. */
const flawOfDoctype = (doctype: string) =>
  [...doctype.matchAll(plainEntity)].length < count(doctype, "<!ENTITY")
    ? "it declares entities that are long, or refer to files or to other entities"
    : undefined

const inEncoding = (make: (decoder: Decoder) => Inspector) =>
  byHead(declarationBytes, (head) =>
    Option.match(decoderOf(head), {
      onNone: () => {
        const flaw = "it asks for an encoding that is not known"
        return { push: () => flaw, end: () => flaw }
      },
      onSome: make
    })
  )

/** Reads up to the root element. What is no XML, and declares nothing, is text; some tools read on where it is none. */
const prolog = (flawOfRoot: (name: string | undefined) => string | undefined) =>
  inEncoding((decoder) => {
    let seen = ""
    let doctype = ""
    let isXml = true
    let verdict: { readonly flaw: string | undefined } | undefined
    const judge = (declarations: string, root: string | undefined) => {
      verdict ??= { flaw: flawOfDoctype(declarations) ?? flawOfRoot(root) }
    }
    const parser = new SaxesParser({ position: false })
    parser.on("doctype", (text) => {
      doctype = text
    })
    parser.on("opentagstart", ({ name }) => {
      if (isXml) judge(doctype, name)
    })
    parser.on("error", () => {
      isXml = false
    })
    const write = (text: string) => {
      if (verdict !== undefined) return
      seen += text
      if (isXml) parser.write(text)
      if (seen.length <= mostProlog) return
      if (isXml) verdict ??= { flaw: "its first element does not begin within a MB" }
      else judge(seen, undefined)
    }
    return {
      push: (bytes) =>
        verdict === undefined
          ? parse(decoder.decode(bytes, { stream: true }), () => verdict?.flaw, write)
          : verdict.flaw,
      end: () => {
        judge(seen, undefined)
        return verdict?.flaw
      }
    }
  })

/** XML that is harmless to the tools that read it, or what is no XML, as text. */
export const xml = (): Inspector => prolog(() => undefined)

/** The same, with the root element of an SVG. */
export const svg = (): Inspector =>
  prolog((name) =>
    name?.replace(/^.*:/, "") === "svg"
      ? undefined
      : "its content is not what its name says: it has no svg element"
  )

const attributesOf = (tag: SaxesTagNS) =>
  Object.values(tag.attributes as Readonly<Record<string, SaxesAttributeNS>>).map(({ local, value }) => ({
    name: local,
    value
  }))

/** Nothing that a browser runs. Elements without a namespace count as of the one given. */
const passiveIn = (withoutNamespace: string) =>
  inEncoding((decoder) => {
    let flaw: string | undefined
    let depth = 0
    const found = (next: string | undefined) => {
      flaw ??= next
    }
    const parser = new SaxesParser({ position: false, xmlns: true })
    parser.on("opentag", (tag) => {
      depth += 1
      if (depth > mostDepth) found(`its elements are nested more than ${mostDepth} deep`)
      const namespace = tag.uri === "" ? withoutNamespace : tag.uri
      const active = ActiveContent.activeIn({ namespace, name: tag.local, attributes: attributesOf(tag) })
      if (active !== undefined) found(ActiveContent.flawOf(active))
    })
    parser.on("closetag", () => {
      depth -= 1
    })
    parser.on("doctype", (text) => {
      if (/<!(?:ENTITY|ATTLIST)/.test(text)) found("it declares entities or attributes")
    })
    parser.on("processinginstruction", ({ target }) => {
      if (target === "xml-stylesheet") found(ActiveContent.flawOf("a style sheet"))
    })
    parser.on("error", () =>
      found("it is not well-formed, so that it cannot be told whether it has active content")
    )
    const write = (text: string) => void parser.write(text)
    return {
      push: (bytes) => parse(decoder.decode(bytes, { stream: true }), () => flaw, write),
      end: () => {
        if (flaw === undefined) parser.write(decoder.decode()).close()
        return flaw
      }
    }
  })

/** XML in which a browser finds nothing to run: what is not of its own namespaces is data. */
export const passiveXml = (): Inspector => passiveIn("")

/** An SVG in which a browser finds nothing to run. */
export const passiveSvg = (): Inspector => passiveIn(ActiveContent.svg)
