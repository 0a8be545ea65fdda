import { isUtf8 } from "node:buffer"
import { atEnd, byHead, type Inspector, joined, latin1, search } from "./Inspector.js"

const notText = "it is not text"

/** Whether this flaw says that a file is no text at all, so that it may well be something else. */
export const isNoText = (flaw: string) => flaw.startsWith(notText)

/** How many first bytes a byte order mark takes at most. */
const markBytes = 4

const beginsWith = (bytes: Uint8Array, ...mark: ReadonlyArray<number>) =>
  mark.every((value, index) => bytes[index] === value)

/** The encoding that a text's byte order mark names. UTF-32 goes first, whose mark begins with that of UTF-16. */
export const markedEncoding = (head: Uint8Array) => {
  if (beginsWith(head, 0xff, 0xfe, 0, 0)) return "utf-32le"
  if (beginsWith(head, 0, 0, 0xfe, 0xff)) return "utf-32be"
  if (beginsWith(head, 0xff, 0xfe)) return "utf-16le"
  if (beginsWith(head, 0xfe, 0xff)) return "utf-16be"
  return undefined
}

/** How many bytes of UTF-8 there are up to the last character that is whole. */
const wholeCharacters = (bytes: Uint8Array) => {
  for (let back = 1; back <= 3; back++) {
    const value = bytes[bytes.length - back] ?? 0
    const width = value >= 0xf0 ? 4 : value >= 0xe0 ? 3 : value >= 0xc0 ? 2 : 1
    if (width > back) return bytes.length - back
    if (value < 0x80 || value >= 0xc0) break
  }
  return bytes.length
}

/** Tells whether bytes in pieces are UTF-8. */
export const utf8 = () => {
  let held = new Uint8Array(0)
  let holds = true
  return {
    push: (bytes: Uint8Array) => {
      if (!holds) return
      const text = joined(held, bytes)
      const whole = wholeCharacters(text)
      held = text.slice(whole)
      holds = isUtf8(text.subarray(0, whole))
    },
    end: () => holds && isUtf8(held)
  }
}

/** Controls that texts have: backspace to carriage return, and what begins a terminal's colours. */
const isUsual = (control: number) => (control >= 8 && control <= 13) || control === 0x1b

const unusualControls = (bytes: Uint8Array) => {
  let count = 0
  for (const value of bytes) if (value < 0x20 && !isUsual(value)) count += 1
  return count
}

/** Tables may be separated with controls; bytes that are not UTF-8 have hardly any where they are text. */
const mostControls = { utf8: 1 / 2, older: 1 / 50 }

/** UTF-8, or any older encoding whose characters are made of bytes. */
const bytesOfText = (): Inspector => {
  const encoding = utf8()
  let controls = 0
  let size = 0
  return {
    push: (bytes) => {
      if (bytes.includes(0)) return `${notText}: it has NUL bytes`
      controls += unusualControls(bytes)
      size += bytes.length
      encoding.push(bytes)
      return undefined
    },
    end: () => {
      const most = encoding.end() ? mostControls.utf8 : mostControls.older
      return controls > size * most ? `${notText}: too much of it is control characters` : undefined
    },
    charset: () => (encoding.end() ? "utf-8" : undefined)
  }
}

const wrongly = (encoding: string) => `its byte order mark says ${encoding.toUpperCase()}, which it is not`

/** Text in units of several bytes, which come whole to what says whether they are characters. */
const inUnits = (width: 2 | 4, encoding: string, areCharacters: (units: DataView) => boolean): Inspector => {
  let held = new Uint8Array(0)
  return {
    push: (bytes) => {
      const text = joined(held, bytes)
      const whole = text.length - (text.length % width)
      held = text.slice(whole)
      return areCharacters(new DataView(text.buffer, text.byteOffset, whole)) ? undefined : wrongly(encoding)
    },
    end: () => (held.length > 0 ? wrongly(encoding) : undefined)
  }
}

const utf16 = (encoding: "utf-16le" | "utf-16be"): Inspector => {
  let isSecond = false
  return inUnits(2, encoding, (units) => {
    for (let at = 0; at < units.byteLength; at += 2) {
      const unit = units.getUint16(at, encoding === "utf-16le")
      const isLow = unit >= 0xdc00 && unit < 0xe000
      if (unit === 0 || isLow !== isSecond) return false
      isSecond = unit >= 0xd800 && unit < 0xdc00
    }
    return true
  })
}

const isCharacter = (point: number) => point > 0 && point <= 0x10ffff && (point < 0xd800 || point >= 0xe000)

const utf32 = (encoding: "utf-32le" | "utf-32be"): Inspector =>
  inUnits(4, encoding, (units) => {
    for (let at = 0; at < units.byteLength; at += 4) {
      if (!isCharacter(units.getUint32(at, encoding === "utf-32le"))) return false
    }
    return true
  })

const ofEncoding = (head: Uint8Array): Inspector => {
  const encoding = markedEncoding(head)
  if (encoding === undefined) return bytesOfText()
  return encoding === "utf-16le" || encoding === "utf-16be" ? utf16(encoding) : utf32(encoding)
}

/**
 * Text in any encoding: UTF-8, UTF-16 and UTF-32 with a byte order mark, and older ones, which have no NUL and hardly
 * any controls.
 */
export const text = (): Inspector => byHead(markBytes, ofEncoding)

const isPdf = (head: Uint8Array, tail: Uint8Array) =>
  latin1(head).startsWith("%PDF-") && latin1(tail).trimEnd().endsWith("%%EOF")

/** Not a whole PDF, which may be written in letters alone, from its beginning to its end. */
export const notPdf = (): Inspector =>
  byHead(5, (head) =>
    atEnd(1024, (tail) =>
      isPdf(head, tail) ? "its content is not what its name says: it looks like pdf" : undefined
    )
  )

const embeddedScript = /<\?php|<script[\s>]/i

/** Nothing of a page or of a server's script in a file that is neither. */
export const withoutScript = (): Inspector =>
  search((text) => (embeddedScript.test(text) ? "it has a script in it" : undefined))

const embeddedObject = /\\obj(?:autlink|data|emb|html|link|ocx|update)/

/** An RTF in which nothing is packed that opens by a click, or by itself. */
export const withoutObjects = (): Inspector =>
  search((text) =>
    embeddedObject.test(text) ? "it has an object in it that opens as a program does" : undefined
  )
