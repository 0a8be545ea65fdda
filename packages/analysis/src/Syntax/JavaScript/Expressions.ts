import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import * as Decoding from "../Decoding.js"
import { concat, gap, ofItems, ofName, ofNumber, ofSources, ofText, unknown, type Value } from "../Value.js"
import { callExpression } from "./Calls.js"
import * as Folds from "./Folds.js"
import { functionExpression, valueNamed } from "./Functions.js"
import { bind, element, member, moduleOf } from "./Names.js"
import { lookUp, partsOf, type Reader, tellText, type Visit, visitAll } from "./Reader.js"

const string: Visit = (reader, node) => {
  const value = ofText(Decoding.unescaped(reader.textOf(node).slice(1, -1)))
  tellText(reader, value, node)
  return value
}

const interpolated = ({ visit }: Reader, node: SyntaxNode): Value => {
  const [value = unknown] = partsOf(node)
    .filter(({ name }) => !name.startsWith("Interpolation"))
    .map(visit)
  return value.text === undefined && value.number === undefined ? ofText(gap, value) : value
}

const templateString: Visit = (reader, node) => {
  const plain = (from: number, to: number) => ofText(Decoding.unescaped(reader.code.slice(from, to)))
  const parts: Array<Value> = []
  let at = node.from + 1
  for (const child of node.getChildren("Interpolation")) {
    parts.push(plain(at, child.from), interpolated(reader, child))
    at = child.to
  }
  const value = concat(...parts, plain(at, Math.max(at, node.to - 1)))
  tellText(reader, value, node)
  return value
}

const lastPart: Visit = ({ visit }, node) => partsOf(node).map(visit).at(-1) ?? unknown

const unaryExpression: Visit = ({ textOf, visit }, node) => {
  const [operator, ...operands] = childrenOf(node)
  const value = operands.map(visit).at(-1) ?? unknown
  const isNegated = operator !== undefined && textOf(operator) === "-"
  return isNegated && value.number !== undefined ? ofNumber(-value.number) : value
}

const binaryExpression: Visit = (reader, node) => {
  const [left, operator, right] = childrenOf(node)
  if (left === undefined || operator === undefined || right === undefined)
    return visitAll(reader, childrenOf(node))
  const [a, b] = [reader.visit(left), reader.visit(right)]
  const sign = reader.textOf(operator)
  const number = Folds.arithmetic(sign, a, b)
  if (number !== undefined) return ofNumber(number)
  if (a.name !== undefined && (sign === "||" || sign === "??")) return a
  if (sign !== "+") return ofSources(a, b)
  const sum = concat(a, b)
  if (node.parent?.name !== "BinaryExpression") tellText(reader, sum, node)
  return sum
}

const arrayExpression: Visit = ({ visit }, node) => ({ ...ofItems(partsOf(node).map(visit)), name: "[]" })

const objectExpression: Visit = ({ visit }, node) =>
  ofItems(
    node
      .getChildren("Property")
      .flatMap((property) => partsOf(property).slice(1))
      .map(visit)
  )

const dynamicImport: Visit = ({ visit }, node) => {
  const [specifier] = partsOf(node)
    .filter(({ name }) => name !== "import")
    .map(visit)
  return specifier?.text === undefined ? unknown : moduleOf(specifier.text)
}

const memberExpression: Visit = (reader, node) => {
  const [base, ...inside] = partsOf(node)
  if (base === undefined) return unknown
  const self = reader.visit(base)
  const key = inside.at(-1)
  return key?.name === "PropertyName"
    ? member(reader, self, reader.textOf(key))
    : element(reader, self, inside.map(reader.visit))
}

const assignTo = (reader: Reader, target: SyntaxNode, value: Value) => {
  if (target.name === "VariableName") bind(reader, target, value)
  else if (target.name === "MemberExpression") {
    const { name } = reader.visit(target)
    if (name !== undefined) reader.variables.set(name, value)
  }
}

/** Characters of a function's name that matter. */
const longestName = 100

const assignmentExpression: Visit = (reader, node) => {
  const { textOf, visit } = reader
  const [target, operator, value] = childrenOf(node)
  if (target === undefined || operator === undefined || value === undefined) return unknown
  const given = valueNamed(reader, value, textOf(target).slice(0, longestName))
  const before = operator.name === "UpdateOp" ? visit(target) : undefined
  const result = before !== undefined && textOf(operator) === "+=" ? concat(before, given) : given
  assignTo(reader, target, result)
  return result
}

/** How expressions are read, by the names of their nodes. */
export const expressions: Readonly<Record<string, Visit>> = {
  VariableName: (reader, node) => lookUp(reader, reader.textOf(node)),
  this: () => ofName("this"),
  Number: ({ textOf }, node) => ofNumber(Number(textOf(node).replaceAll("_", ""))),
  String: string,
  TemplateString: templateString,
  ParenthesizedExpression: lastPart,
  SequenceExpression: lastPart,
  AwaitExpression: unaryExpression,
  UnaryExpression: unaryExpression,
  ArrayExpression: arrayExpression,
  ObjectExpression: objectExpression,
  DynamicImport: dynamicImport,
  BinaryExpression: binaryExpression,
  MemberExpression: memberExpression,
  CallExpression: callExpression,
  NewExpression: callExpression,
  AssignmentExpression: assignmentExpression,
  FunctionExpression: functionExpression,
  ArrowFunction: functionExpression
}
