import { isUtf8 } from "node:buffer"
import { type Inspector, joined, search } from "./Inspector.js"

const notText = "it is not UTF-8 text"

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

/** UTF-8 without NUL that no kernel would take for a script. */
export const utf8 = (): Inspector => {
  let held = new Uint8Array(0)
  let begun = false
  return {
    push: (bytes) => {
      if (bytes.includes(0)) return notText
      const text = joined(held, bytes)
      if (!begun && text[0] === 0x23 && text[1] === 0x21) return "it is a script"
      const whole = text.length > 1 || begun ? wholeCharacters(text) : 0
      begun ||= whole > 0
      held = text.slice(whole)
      return isUtf8(text.subarray(0, whole)) ? undefined : notText
    },
    end: () => (isUtf8(held) ? undefined : notText)
  }
}

const elements =
  /<(?:[\w.-]+:)?(?:script|iframe|frame|object|embed|applet|base|foreignObject|handler|listener)(?=[\s/>])/i
const handlers = /[\s"'/]on[a-z]{3,30}\s*=/i
const redirects = /http-equiv|srcdoc/i
const declarations = /<!ENTITY|<\?xml-stylesheet/i
const foreignEncoding =
  /(?:encoding|charset)\s*=\s*(?:["']\s*)?(?!(?:utf-?8|us-ascii)[\s"'>;?/])[\w.:-]+(?=[\s"'>;?/])/i
const scriptAddress = /(?:javascript|vbscript|livescript|data:text\/html|data:application|data:image\/svg)/i

const named: Readonly<Record<string, string>> = { tab: "", newline: "", colon: ":", lpar: "(", sol: "/" }

/** What is in no address that is looked for may be any other character. */
const characterOf = (point: number) => {
  if (point > 0x10ffff) return ""
  return point <= 0xff ? String.fromCharCode(point) : "?"
}

/** Without spaces and controls, which an address may be interrupted with. */
const unspaced = (text: string) => {
  const bytes = Buffer.from(text, "latin1")
  let length = 0
  for (const value of bytes) if (value > 0x20) bytes[length++] = value
  return bytes.toString("latin1", 0, length)
}

/** With references resolved. */
const resolved = (text: string) =>
  text
    .replaceAll(/&#x([0-9a-f]{1,8});?/gi, (_, hex: string) => characterOf(Number.parseInt(hex, 16)))
    .replaceAll(/&#([0-9]{1,8});?/g, (_, decimal: string) => characterOf(Number.parseInt(decimal, 10)))
    .replaceAll(/&(tab|newline|colon|lpar|sol);/gi, (_, name: string) => named[name.toLowerCase()] ?? "")

/** As an attribute's value is read. */
const asAddress = (text: string) => unspaced(text.includes("&") ? resolved(text) : text)

const flawOfMarkup = (text: string) => {
  if (elements.test(text) || handlers.test(text) || redirects.test(text)) return "it has active content"
  if (declarations.test(text)) return "it declares entities or style sheets"
  if (foreignEncoding.test(text)) return "it asks for an encoding other than UTF-8"
  return scriptAddress.test(asAddress(text)) ? "it has active content" : undefined
}

/** HTML, SVG and XML that runs nothing. Rather refuses too much. */
export const markup = (): Inspector => search(flawOfMarkup)

const embeddedScript = /<\?php|<script[\s>]/i

/** Nothing of a page or of a server's script in a file that is neither. */
export const withoutScript = (): Inspector =>
  search((text) => (embeddedScript.test(text) ? "it has a script in it" : undefined))
