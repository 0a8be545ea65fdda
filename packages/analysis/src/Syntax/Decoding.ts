import { gunzipSync, inflateSync } from "node:zlib"
import { Either } from "effect"
import { gap, mostCharacters } from "./Value.js"

/** Turns a text into another, or into nothing where it cannot. */
export type Decoder = (text: string) => string | undefined

const bytesOf = (text: string) => Buffer.from(text, "latin1")

export const base64: Decoder = (text) =>
  /^[\w+/\s=-]*$/.test(text) ? Buffer.from(text, "base64").toString("latin1") : undefined

export const hex: Decoder = (text) =>
  /^[\da-f\s:]*$/i.test(text)
    ? Buffer.from(text.replaceAll(/[\s:]/g, ""), "hex").toString("latin1")
    : undefined

const alphabet32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

export const base32: Decoder = (text) => {
  if (!/^[A-Z2-7=\s]*$/i.test(text)) return undefined
  const bits = [...text.toUpperCase().replaceAll(/[=\s]/g, "")]
    .map((letter) => alphabet32.indexOf(letter).toString(2).padStart(5, "0"))
    .join("")
  return (bits.match(/.{8}/g) ?? []).map((byte) => String.fromCharCode(Number.parseInt(byte, 2))).join("")
}

export const rot13: Decoder = (text) =>
  text.replaceAll(/[a-z]/gi, (letter) => {
    const base = letter <= "Z" ? 65 : 97
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base)
  })

export const reversed: Decoder = (text) => [...text].reverse().join("")

export const utf8: Decoder = (text) => {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 255) return text
  return bytesOf(text).toString("utf8")
}

const unpacked =
  (unpack: (bytes: Buffer, options: { readonly maxOutputLength: number }) => Buffer): Decoder =>
  (text) =>
    text.includes(gap)
      ? undefined
      : Either.getOrUndefined(
          Either.try(() => unpack(bytesOf(text), { maxOutputLength: mostCharacters }).toString("latin1"))
        )

export const zlib = unpacked(inflateSync)
export const gzip = unpacked(gunzipSync)

export const percent: Decoder = (text) =>
  Either.getOrUndefined(Either.try(() => decodeURIComponent(text.replaceAll("+", "%2B"))))

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  v: "\v",
  a: "\x07",
  e: "\x1b",
  E: "\x1b",
  "\n": ""
}

const codePoint = (digits: string) => {
  const code = Number.parseInt(digits, 16)
  return code > 0x10_ff_ff ? gap : String.fromCodePoint(code)
}

/** A literal's escapes, as C, Python, JavaScript and bash agree on them. */
export const unescaped = (text: string): string =>
  text.includes("\\")
    ? text.replaceAll(
        /\\(?:x([\da-f]{1,2})|u\{([\da-f]{1,6})\}|u([\da-f]{4})|U([\da-f]{8})|([0-7]{1,3})|(.))/gis,
        (_, byte, braced, short, long, octal, other: string) => {
          const digits = byte ?? braced ?? short ?? long
          if (digits !== undefined) return codePoint(digits)
          if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
          return escapes[other] ?? other
        }
      )
    : text
