import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import { ofName, ofSources, unknown, type Value } from "../Value.js"
import { lookUp, partsOf, type Reader } from "./Reader.js"

const globals = new Set(["globalThis", "global", "window", "self"])

/** Members that stand for what they are members of. */
const itself = new Set(["default", "promises", "bind", "call", "apply"])

const requires = /(^|\.)(process\.)?(mainModule|module)\.require$/

/** What an object has under a name. */
export const member = (reader: Reader, base: Value, key: string): Value => {
  if (base.name === undefined) return ofSources(base)
  if (globals.has(base.name)) return lookUp(reader, key)
  if (itself.has(key)) return base
  const path = `${base.name}.${key}`
  const name = requires.test(path) ? "require" : path
  return reader.variables.get(name) ?? ofName(name, base)
}

/** What is in brackets behind a value. */
export const element = (reader: Reader, base: Value, keys: ReadonlyArray<Value>): Value => {
  const key = keys.at(-1)
  if (key?.text !== undefined && base.name !== undefined) return member(reader, base, key.text)
  if (key?.number !== undefined && base.items !== undefined) return base.items.at(key.number) ?? unknown
  return ofSources(base, ...keys)
}

const bindProperty = (reader: Reader, property: SyntaxNode, value: Value) => {
  const parts = partsOf(property)
  const [key, target] = [parts[0], parts.at(-1)]
  if (key !== undefined && target !== undefined)
    bind(reader, target, member(reader, value, reader.textOf(key)))
}

/** Gives a target a value: a name, or the names in a pattern. */
export const bind = (reader: Reader, target: SyntaxNode, value: Value): void => {
  if (target.name === "VariableDefinition" || target.name === "VariableName")
    reader.variables.set(reader.textOf(target), value)
  else if (target.name === "ObjectPattern")
    for (const property of target.getChildren("PatternProperty")) bindProperty(reader, property, value)
  else if (target.name === "ArrayPattern")
    for (const [index, item] of partsOf(target).entries())
      bind(reader, item, value.items?.[index] ?? ofSources(value))
}

export const moduleOf = (specifier: string): Value => ofName(specifier.replace(/^node:/, ""))

const bindImported = (reader: Reader, module: Value, nodes: ReadonlyArray<SyntaxNode>) => {
  const { textOf, variables } = reader
  for (const [index, node] of nodes.entries()) {
    if (node.name !== "VariableDefinition") continue
    const original = nodes[index - 1]?.name === "as" ? nodes[index - 2] : node
    const key = original === undefined ? "" : textOf(original)
    variables.set(textOf(node), member(reader, module, key))
  }
}

export const importDeclaration = (reader: Reader, node: SyntaxNode): Value => {
  const { textOf, variables } = reader
  const specifier = node.getChild("String")
  if (specifier === null) return unknown
  const module = moduleOf(textOf(specifier).slice(1, -1))
  for (const definition of node.getChildren("VariableDefinition")) variables.set(textOf(definition), module)
  const group = node.getChild("ImportGroup")
  if (group !== null) bindImported(reader, module, childrenOf(group))
  return unknown
}
