import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import * as Decoding from "../Decoding.js"
import { asText, concat, ofItems, ofNumber, ofSources, ofText, unknown, type Value } from "../Value.js"
import { callExpression } from "./Calls.js"
import { comprehension } from "./Comprehensions.js"
import * as Folds from "./Folds.js"
import { assign, member, subscript } from "./Names.js"
import { isNamed, lookUp, partsOf, type Reader, tellText, type Visit, visitAll } from "./Reader.js"

const firstPart = ({ visit }: Reader, node: SyntaxNode): Value => partsOf(node).map(visit)[0] ?? unknown

/** What a literal says, without its quotes, and with gaps where it has expressions that are not known. */
const literalOf = (reader: Reader, node: SyntaxNode): Value => {
  if (node.name === "ContinuedString")
    return concat(...childrenOf(node).map((part) => literalOf(reader, part)))
  const written = reader.textOf(node)
  const [, prefix = "", quote = ""] = /^([a-z]{0,2})("""|'''|"|')/i.exec(written) ?? []
  const isRaw = /r/i.test(prefix)
  const start = node.from + prefix.length + quote.length
  const end = Math.max(start, node.to - (written.endsWith(quote) ? quote.length : 0))
  const plain = (from: number, to: number) => {
    const text = reader.code.slice(from, to)
    return ofText(isRaw ? text : Decoding.unescaped(text))
  }
  const parts: Array<Value> = []
  let at = start
  for (const replacement of childrenOf(node).filter(isNamed("FormatReplacement"))) {
    parts.push(plain(at, replacement.from), ofText(asText(firstPart(reader, replacement))))
    at = replacement.to
  }
  return concat(...parts, plain(at, end))
}

const literal: Visit = (reader, node) => {
  const value = literalOf(reader, node)
  const isDocumentation = node.parent?.name === "ExpressionStatement"
  if (!isDocumentation) tellText(reader, value, node)
  return value
}

const sum = (reader: Reader, node: SyntaxNode, a: Value, b: Value): Value => {
  if (a.items !== undefined && b.items !== undefined) return ofItems([...a.items, ...b.items])
  const text = concat(a, b)
  if (node.parent?.name !== "BinaryExpression") tellText(reader, text, node)
  return text
}

const formatted = (format: string, a: Value, b: Value): Value => {
  const given = b.items ?? [b]
  let next = 0
  const text = format.replaceAll(/%[sdrx]/g, () => asText(given[next++] ?? unknown))
  return ofText(text, a, b)
}

/** As long as a text may become by being repeated. */
const mostRepeated = 65_536

const binaryExpression: Visit = (reader, node) => {
  const [left, operator, right] = childrenOf(node)
  if (left === undefined || operator === undefined || right === undefined)
    return visitAll(reader, childrenOf(node))
  const [a, b] = [reader.visit(left), reader.visit(right)]
  const sign = reader.textOf(operator)
  const number = Folds.arithmetic(sign, a, b)
  if (number !== undefined) return ofNumber(number)
  if (sign === "+") return sum(reader, node, a, b)
  if (sign === "%" && a.text !== undefined) return formatted(a.text, a, b)
  if (sign === "*" && a.text !== undefined && b.number !== undefined)
    if (a.text.length * b.number < mostRepeated)
      return ofText(a.text.repeat(Math.max(0, Math.trunc(b.number))), a)
  return ofSources(a, b)
}

const unaryExpression: Visit = (reader, node) => {
  const { number } = partsOf(node).map(reader.visit).at(-1) ?? unknown
  return number !== undefined && reader.textOf(node).startsWith("-") ? ofNumber(-number) : unknown
}

const items: Visit = ({ visit }, node) => ofItems(partsOf(node).map(visit))

const inBrackets: Visit = (reader, node) => {
  const inner = partsOf(node).find(({ name }) => name !== "await")
  return inner === undefined ? unknown : reader.visit(inner)
}

const bracketed: Visit = (reader, node) =>
  comprehension(
    reader,
    childrenOf(node).filter(({ name }) => !/^[[\]()]$/.test(name))
  )

const memberExpression: Visit = (reader, node) => {
  const [base, ...inside] = childrenOf(node)
  if (base === undefined) return unknown
  const self = reader.visit(base)
  const key = inside.at(-1)
  return key?.name === "PropertyName"
    ? member(reader, self, reader.textOf(key))
    : subscript(reader, self, inside)
}

const namedExpression: Visit = (reader, node) => {
  const [target, , value] = childrenOf(node)
  const known = value === undefined ? unknown : reader.visit(value)
  assign(reader, target, known)
  return known
}

/** How expressions are read, by the names of their nodes. */
export const expressions: Readonly<Record<string, Visit>> = {
  VariableName: (reader, node) => lookUp(reader, reader.textOf(node)),
  Number: ({ textOf }, node) => ofNumber(Number(textOf(node).replaceAll("_", ""))),
  String: literal,
  FormatString: literal,
  ContinuedString: literal,
  ParenthesizedExpression: inBrackets,
  AwaitExpression: inBrackets,
  ArrayExpression: items,
  TupleExpression: items,
  SetExpression: items,
  DictionaryExpression: items,
  ArrayComprehensionExpression: bracketed,
  ComprehensionExpression: bracketed,
  UnaryExpression: unaryExpression,
  BinaryExpression: binaryExpression,
  MemberExpression: memberExpression,
  CallExpression: callExpression,
  NamedExpression: namedExpression
}
