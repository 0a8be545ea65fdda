import * as Decoding from "../Decoding.js"
import { asText, ofItems, unknown, type Value } from "../Value.js"

/** The text that a call results in, if that is known. */
export type Fold = (self: Value, args: ReadonlyArray<Value>) => string | undefined

const ofArgument =
  (decoder: Decoding.Decoder): Fold =>
  (_, [first]) =>
    first?.text === undefined ? undefined : decoder(first.text)

const ofSelf =
  (decoder: Decoding.Decoder): Fold =>
  ({ text }) =>
    text === undefined ? undefined : decoder(text)

const codecs: Readonly<Record<string, Decoding.Decoder>> = {
  hex: Decoding.hex,
  hex_codec: Decoding.hex,
  base64: Decoding.base64,
  base64_codec: Decoding.base64,
  rot13: Decoding.rot13,
  rot_13: Decoding.rot13,
  zlib: Decoding.zlib
}

const codecOf = (name: Value | undefined) => codecs[name?.text ?? ""] ?? Decoding.utf8

const isCharacter = ({ number }: Value) => number !== undefined && number >= 0 && number < 0x11_00_00

/** A text, or the one that the numbers of characters stand for. */
export const charactersOf = ({ items, text }: Value): string | undefined => {
  if (text !== undefined || items === undefined || !items.every(isCharacter)) return text
  return items.map(({ number = 0 }) => String.fromCodePoint(number)).join("")
}

const ofBytes: Fold = (_, [data]) => (data === undefined ? undefined : charactersOf(data))

const joinedPath: Fold = (_, parts) =>
  parts.some(({ text }) => text !== undefined) ? parts.map(asText).join("/") : undefined

const replaced: Fold = ({ text }, [from, to]) =>
  text === undefined || !from?.text || to?.text === undefined
    ? undefined
    : text.replaceAll(from.text, () => to.text ?? "")

const joined: Fold = ({ text }, [parts]) =>
  parts?.items === undefined || text === undefined ? undefined : parts.items.map(asText).join(text)

const formatted: Fold = ({ text }, args) => {
  let next = 0
  return text?.replaceAll(/\{(\d*)[^{}]*\}/g, (_, index: string) =>
    asText(args[index === "" ? next++ : Number(index)] ?? unknown)
  )
}

/** Calls of functions whose result is known where what they are given is. */
const functions: ReadonlyMap<string, Fold> = new Map(
  Object.entries<Fold>({
    "base64.b64decode": ofArgument(Decoding.base64),
    "base64.decodebytes": ofArgument(Decoding.base64),
    "base64.standard_b64decode": ofArgument(Decoding.base64),
    "base64.urlsafe_b64decode": ofArgument(Decoding.base64),
    "base64.b32decode": ofArgument(Decoding.base32),
    "base64.b16decode": ofArgument(Decoding.hex),
    "binascii.a2b_base64": ofArgument(Decoding.base64),
    "binascii.unhexlify": ofArgument(Decoding.hex),
    "binascii.a2b_hex": ofArgument(Decoding.hex),
    "bytes.fromhex": ofArgument(Decoding.hex),
    "bytearray.fromhex": ofArgument(Decoding.hex),
    "zlib.decompress": ofArgument(Decoding.zlib),
    "gzip.decompress": ofArgument(Decoding.gzip),
    "urllib.parse.unquote": ofArgument(Decoding.percent),
    "os.path.expanduser": ofArgument((text) => text),
    "os.path.join": joinedPath,
    "pathlib.Path": ofArgument((text) => text),
    "codecs.decode": (_, [data, codec]) => (data?.text === undefined ? undefined : codecOf(codec)(data.text)),
    chr: (_, [code]) => (code === undefined ? undefined : charactersOf(ofItems([code]))),
    bytes: ofBytes,
    bytearray: ofBytes,
    str: (_, [data, codec]) =>
      data?.text === undefined || codec === undefined ? data?.text : Decoding.utf8(data.text)
  })
)

/** The same of texts' own methods. */
const methods: ReadonlyMap<string, Fold> = new Map(
  Object.entries<Fold>({
    decode: ({ text }, [codec]) => (text === undefined ? undefined : codecOf(codec)(text)),
    encode: ofSelf((text) => text),
    lower: ofSelf((text) => text.toLowerCase()),
    upper: ofSelf((text) => text.toUpperCase()),
    strip: ofSelf((text) => text.trim()),
    replace: replaced,
    join: joined,
    format: formatted
  })
)

/** What is known of a call of this function, or of a method of this name. */
export const foldOf = (name: string, method: string | undefined): Fold | undefined =>
  functions.get(name) ?? (method === undefined ? undefined : methods.get(method))

const operators: ReadonlyMap<string, (a: number, b: number) => number> = new Map(
  Object.entries<(a: number, b: number) => number>({
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "^": (a, b) => a ^ b,
    "|": (a, b) => a | b,
    "&": (a, b) => a & b,
    "<<": (a, b) => a << b,
    ">>": (a, b) => a >> b,
    "%": (a, b) => a % b
  })
)

/** What an operator makes of two numbers. */
export const arithmetic = (sign: string, a: Value, b: Value): number | undefined =>
  a.number === undefined || b.number === undefined ? undefined : operators.get(sign)?.(a.number, b.number)
