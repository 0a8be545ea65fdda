import * as Decoding from "../Decoding.js"
import { asText, concat, ofItems, ofText, type Value } from "../Value.js"

/** What a call results in, if that is known. */
export type Fold = (self: Value, args: ReadonlyArray<Value>) => Value | undefined

const known = (text: string | undefined, ...from: ReadonlyArray<Value>) =>
  text === undefined ? undefined : ofText(text, ...from)

const ofArgument =
  (decoder: Decoding.Decoder): Fold =>
  (_, [data]) =>
    data?.text === undefined ? undefined : known(decoder(data.text), data)

const isCharacter = ({ number }: Value) => number !== undefined && number >= 0 && number < 0x11_00_00

const charactersOf = (codes: ReadonlyArray<Value>) =>
  codes.length > 0 && codes.every(isCharacter)
    ? codes.map(({ number = 0 }) => String.fromCodePoint(number)).join("")
    : undefined

const ofCodes: Fold = (_, codes) => known(charactersOf(codes), ...codes)

const encodings: Readonly<Record<string, Decoding.Decoder>> = {
  base64: Decoding.base64,
  base64url: Decoding.base64,
  hex: Decoding.hex
}

const bufferFrom: Fold = (_, [data, encoding]) => {
  if (data?.text === undefined) return known(charactersOf(data?.items ?? []))
  const decoder = encodings[encoding?.text ?? ""]
  return known(decoder === undefined ? data.text : decoder(data.text), data)
}

/** Calls of functions whose result is known where what they are given is. */
const functions: ReadonlyMap<string, Fold> = new Map(
  Object.entries<Fold>({
    atob: ofArgument(Decoding.base64),
    unescape: ofArgument(Decoding.percent),
    decodeURIComponent: ofArgument(Decoding.percent),
    decodeURI: ofArgument(Decoding.percent),
    "String.fromCharCode": ofCodes,
    "String.fromCodePoint": ofCodes,
    "Buffer.from": bufferFrom
  })
)

const asString: Fold = (self, [encoding]) => {
  const isEncoded = encoding?.text === "hex" || encoding?.text === "base64" || encoding?.number !== undefined
  return self.text === undefined || isEncoded ? undefined : known(Decoding.utf8(self.text), self)
}

const split: Fold = (self, [separator]) =>
  self.text === undefined || separator?.text === undefined
    ? undefined
    : ofItems(self.text.split(separator.text).map((part) => ofText(part, self)))

const replaced =
  (replace: (text: string, from: string, to: () => string) => string): Fold =>
  (self, [from, to]) => {
    const replacement = to?.text
    if (self.text === undefined || !from?.text || replacement === undefined) return undefined
    return known(
      replace(self.text, from.text, () => replacement),
      self
    )
  }

/** The same of values' own methods. */
const methods: ReadonlyMap<string, Fold> = new Map(
  Object.entries<Fold>({
    toString: asString,
    join: (self, [separator]) => known(self.items?.map(asText).join(separator?.text ?? ","), self),
    split,
    reverse: ({ items }) => (items === undefined ? undefined : ofItems([...items].reverse())),
    concat: (self, args) => (self.text === undefined ? undefined : concat(self, ...args)),
    replace: replaced((text, from, to) => text.replace(from, to)),
    replaceAll: replaced((text, from, to) => text.replaceAll(from, to)),
    trim: (self) => known(self.text?.trim(), self),
    toLowerCase: (self) => known(self.text?.toLowerCase(), self)
  })
)

/** What is known of a call of this function, or of a method of this name. */
export const foldOf = (name: string, method: string | undefined): Fold | undefined =>
  functions.get(name) ?? (method === undefined ? undefined : methods.get(method))

const operators: ReadonlyMap<string, (a: number, b: number) => number> = new Map(
  Object.entries<(a: number, b: number) => number>({
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "^": (a, b) => a ^ b,
    "*": (a, b) => a * b
  })
)

/** What an operator makes of two numbers. */
export const arithmetic = (sign: string, a: Value, b: Value): number | undefined =>
  a.number === undefined || b.number === undefined ? undefined : operators.get(sign)?.(a.number, b.number)
