import { Option, Schema } from "effect"
import { byteAt, has, textAt, u16le, u32le } from "./Cursor.js"
import { type Cursor, type Parser, structured } from "./Inspector.js"

/** NumPy's own bound, beyond which it asks whoever loads an array. */
const mostHeaderBytes = 10_000

const tokens = /\s*(?:('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(-?\d+)L?|(True|False|None)|([()[\]{},:]))/y

/** What of Python's literals JSON writes in another way. */
const inJson: Readonly<Record<string, string>> = {
  True: "true",
  False: "false",
  None: "null",
  "(": "[",
  ")": "]"
}

/** Lists and tuples within one another. */
const mostDepth = 32

/** A literal of Python as JSON; nothing: it is none of plain values. */
const asJson = (literal: string) => {
  const parts: Array<string> = []
  let depth = 0
  tokens.lastIndex = 0
  for (;;) {
    const rest = literal.slice(tokens.lastIndex)
    const [, text, number, word, sign] = tokens.exec(literal) ?? []
    if (text !== undefined) parts.push(JSON.stringify(text.slice(1, -1)))
    else if (number !== undefined || word !== undefined) parts.push(number ?? inJson[word ?? ""] ?? "")
    else if (sign !== undefined) {
      // Python has a comma behind the last one too.
      if (/[)\]}]/.test(sign) && parts.at(-1) === ",") parts.pop()
      depth += /[([{]/.test(sign) ? 1 : 0
      if (depth > mostDepth) return undefined
      depth -= /[)\]}]/.test(sign) ? 1 : 0
      parts.push(inJson[sign] ?? sign)
    } else return rest.trim() === "" ? parts.join("") : undefined
  }
}

const Header = Schema.parseJson(
  Schema.Struct({ descr: Schema.Unknown, shape: Schema.Array(Schema.NonNegativeInt) })
)

const elements = /^[<>|=]?[bBiufcmMSUVa?](\d+)(?:\[\w+\])?$/

const product = (shape: ReadonlyArray<unknown>) => shape.reduce<number>((all, size) => all * Number(size), 1)

const shapeOf = (shape: unknown) => (Array.isArray(shape) ? shape : [shape])

/** The bytes of an element of a type: of a plain one, or of fields one behind the other. */
const sizeOf = (type: unknown): number => {
  if (typeof type === "string") return Number(elements.exec(type)?.[1]) * (/U/.test(type) ? 4 : 1)
  if (!Array.isArray(type)) return Number.NaN
  return type.reduce<number>(
    (all, field) =>
      all + (Array.isArray(field) ? sizeOf(field[1]) * product(shapeOf(field[2] ?? 1)) : Number.NaN),
    0
  )
}

const hasObjects = (type: unknown): boolean =>
  typeof type === "string"
    ? /^[<>|=]?O\d*$/.test(type)
    : Array.isArray(type) && type.some((field) => Array.isArray(field) && hasObjects(field[1]))

/** The bytes of an array with this header, or what is wrong with that. */
const sizeOfArray = (literal: string) =>
  Option.match(Schema.decodeOption(Header)(asJson(literal) ?? ""), {
    onNone: () => "it is not a NumPy array",
    onSome: ({ descr, shape }) => {
      // To load them is to unpickle them, which runs whatever they say.
      if (hasObjects(descr)) return "it holds pickled objects"
      const size = sizeOf(descr) * product(shape)
      return Number.isSafeInteger(size) && size >= 0
        ? size
        : "it holds elements that are not plain numbers or text"
    }
  })

export function* npyParser(cursor: Cursor): Parser {
  if (!has(cursor, 12)) yield { bytes: 12 }
  if (textAt(cursor, 0, 6) !== "\x93NUMPY") return "its content is not what its name says"
  const isWide = byteAt(cursor, 6) > 1
  const length = isWide ? u32le(cursor, 8) : u16le(cursor, 8)
  const start = isWide ? 12 : 10
  if (length > mostHeaderBytes) return "it is not a NumPy array"
  if (!has(cursor, start + length)) yield { bytes: start + length }
  const size = sizeOfArray(textAt(cursor, start, length))
  if (typeof size === "string") return size
  cursor.at += start + length + size
  return undefined
}
/** A NumPy array of plain elements, or of fields with such, and without pickled objects. */
export const npy = () => structured(npyParser)
