import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import * as Decoding from "../Decoding.js"
import { ofName, ofSources, ofText, unknown, type Value } from "../Value.js"
import { isMark, isNamed, partsOf, type Reader } from "./Reader.js"

/** What has all that is there under its own name. */
const namespaces = new Set([
  "__builtins__",
  "__builtins__.__dict__",
  "builtins",
  "builtins.__dict__",
  "globals()",
  "locals()",
  "vars()",
  "sys.modules"
])

const memberName = ({ variables }: Reader, base: string, key: string) => {
  if (key === "__dict__") return `${base}.__dict__`
  if (namespaces.has(base)) return variables.get(key)?.name ?? key
  const isDictionary = base.endsWith(".__dict__") || base.endsWith(".__globals__")
  return `${isDictionary ? base.slice(0, base.lastIndexOf(".")) : base}.${key}`
}

/** What an object has under a name. */
export const member = (reader: Reader, base: Value, key: string): Value => {
  if (base.name === undefined) return ofSources(base)
  const name = memberName(reader, base.name, key)
  return reader.variables.get(name) ?? ofName(name, base)
}

const slice = (base: Value, keys: ReadonlyArray<Value>): Value => {
  const isReversal = keys.length === 1 && keys[0]?.number === -1
  return isReversal && base.text !== undefined ? ofText(Decoding.reversed(base.text) ?? "", base) : base
}

/** What is in brackets behind a value. */
export const subscript = (reader: Reader, base: Value, inside: ReadonlyArray<SyntaxNode>): Value => {
  const keys = inside.filter((node) => !isMark(node)).map(reader.visit)
  if (inside.some(isNamed(":"))) return slice(base, keys)
  const { number, text } = keys.at(-1) ?? unknown
  if (text !== undefined && base.name !== undefined) return member(reader, base, text)
  if (number !== undefined && base.items !== undefined) return base.items.at(number) ?? unknown
  if (number !== undefined && base.text !== undefined) return ofText(base.text.at(number) ?? "", base)
  return { ...ofSources(base, ...keys), ...(base.name !== undefined && { name: `${base.name}[]` }) }
}

/** Gives a target a value: a name, several names, or a member. */
export const assign = (reader: Reader, target: SyntaxNode | undefined, value: Value): void => {
  if (target === undefined) return
  const { textOf, variables, visit } = reader
  if (target.name === "VariableName") variables.set(textOf(target), value)
  else if (target.name === "TupleExpression" || target.name === "ArrayExpression")
    assignEach(reader, partsOf(target), value)
  else if (target.name === "MemberExpression") {
    const { name } = visit(target)
    if (name !== undefined) variables.set(name, value)
  }
}

export const assignEach = (
  reader: Reader,
  targets: ReadonlyArray<SyntaxNode>,
  { items, ...value }: Value
) => {
  for (const [index, target] of targets.entries())
    assign(reader, target, items === undefined ? ofSources(value) : (items[index] ?? unknown))
}

const importFrom = (reader: Reader, nodes: ReadonlyArray<SyntaxNode>) => {
  const { textOf } = reader
  const at = nodes.findIndex(isNamed("import"))
  const module = nodes.slice(1, at).map(textOf).join("")
  const names = nodes.slice(at + 1)
  for (const [index, node] of names.entries()) {
    if (node.name !== "VariableName" || names[index - 1]?.name === "as") continue
    const alias = names[index + 1]?.name === "as" ? names[index + 2] : node
    assign(reader, alias, ofName(`${module}.${textOf(node)}`))
  }
}

const importModules = (reader: Reader, [, ...words]: ReadonlyArray<SyntaxNode>) => {
  let path = ""
  for (const [index, node] of words.entries()) {
    if (node.name === "as") assign(reader, words[index + 1], ofName(path))
    else if (node.name === ",") path = ""
    else if (words[index - 1]?.name !== "as") path += reader.textOf(node)
  }
}

export const importStatement = (reader: Reader, node: SyntaxNode): Value => {
  const nodes = childrenOf(node)
  if (nodes[0]?.name === "from") importFrom(reader, nodes)
  else importModules(reader, nodes)
  return unknown
}
