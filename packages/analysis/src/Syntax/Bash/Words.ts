import type { SyntaxNode, Word, WordPart } from "unbash"
import { concat, gap, ofText, unknown, type Value } from "../Value.js"
import { type Reader, visitAll } from "./Reader.js"

type PartOf<Type> = Extract<WordPart, { readonly type: Type }>
type Expansion = PartOf<"ParameterExpansion">

const scriptOutput = (reader: Reader, script: SyntaxNode | undefined): Value =>
  script === undefined || !("commands" in script)
    ? unknown
    : visitAll(reader, script.commands as ReadonlyArray<SyntaxNode>)

const commandExpansion = (reader: Reader, { script }: PartOf<"CommandExpansion">): Value => {
  const output = scriptOutput(reader, script)
  return ofText(output.text === undefined ? gap : output.text.trimEnd(), output)
}

const simpleExpansion = ({ variables }: Reader, { text }: PartOf<"SimpleExpansion">): Value =>
  variables.get(text.slice(1)) ?? ofText(/^\$IFS/.test(text) ? " " : gap)

const slice = (value: Value, text: string, offset: number, length: number): Value =>
  Number.isInteger(offset) && Number.isInteger(length)
    ? ofText(text.slice(offset).slice(0, length), value)
    : value

const parameterExpansion = (reader: Reader, { operation, parameter }: Expansion): Value => {
  if (parameter === "IFS") return ofText(" ")
  const value = reader.variables.get(parameter)
  if (value === undefined)
    return operation?.type === "Default" ? valueOf(reader, operation.operand) : ofText(gap)
  const { text } = value
  if (operation?.type !== "Slice" || text === undefined) return value
  return slice(value, text, Number(operation.offset.value), Number(operation.length?.value ?? text.length))
}

const partsValue = (reader: Reader, parts: ReadonlyArray<WordPart>): Value =>
  concat(...parts.map((part) => partValue(reader, part)))

const partValue = (reader: Reader, part: WordPart): Value => {
  switch (part.type) {
    case "SingleQuoted":
    case "AnsiCQuoted":
    case "Literal":
      return ofText(part.value)
    case "DoubleQuoted":
    case "LocaleString":
      return part.parts.length === 0 ? ofText("") : partsValue(reader, part.parts)
    case "SimpleExpansion":
      return simpleExpansion(reader, part)
    case "ParameterExpansion":
      return parameterExpansion(reader, part)
    case "CommandExpansion":
      return commandExpansion(reader, part)
    case "ProcessSubstitution":
      return ofText(gap, scriptOutput(reader, part.script))
    case "BraceExpansion":
      return ofText(part.text)
    default:
      return ofText("value" in part && typeof part.value === "string" ? part.value : part.text)
  }
}

/** What a word stands for. */
export const valueOf = (reader: Reader, { parts = [], value }: Word): Value =>
  parts.length === 0 ? ofText(value) : partsValue(reader, parts)

/** What the body of a here-document says. */
export const bodyOf = (reader: Reader, { parts = [], text }: Pick<Word, "parts" | "text">): Value =>
  parts.length === 0 ? ofText(text) : partsValue(reader, parts)

const isExpansion = ({ type }: WordPart) =>
  type === "SimpleExpansion" || type === "ParameterExpansion" || type === "CommandExpansion"

/** A word may stand for several: `$COMMAND` and `{nc,-e,sh}`. */
export const wordsOf = (reader: Reader, word: Word): ReadonlyArray<Value> => {
  const value = valueOf(reader, word)
  const text = value.text?.trim() ?? ""
  if (word.parts?.some(isExpansion) && /\s/.test(text))
    return text.split(/\s+/).map((each) => ofText(each, value))
  const [, braced] = /^\{([^{}]+,[^{}]*)\}$/.exec(value.text ?? "") ?? []
  return braced === undefined ? [value] : braced.split(",").map((each) => ofText(each))
}
