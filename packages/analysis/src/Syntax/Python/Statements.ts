import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import { hasCallOf } from "../Surroundings.js"
import { concat, ofItems, ofName, ofSources, unknown, type Value } from "../Value.js"
import { assign, assignEach, importStatement } from "./Names.js"
import { isMark, isNamed, type Reader, type Visit, visitAll } from "./Reader.js"

const assignStatement: Visit = (reader, node) => {
  const groups: Array<Array<SyntaxNode>> = [[]]
  for (const child of childrenOf(node)) {
    if (child.name === "AssignOp") groups.push([])
    else if (child.name !== "TypeDef" && !isMark(child)) groups.at(-1)?.push(child)
  }
  const values = (groups.pop() ?? []).map(reader.visit)
  const value = values.length === 1 ? (values[0] ?? unknown) : ofItems(values)
  for (const targets of groups) {
    if (targets.length === 1) assign(reader, targets[0], value)
    else assignEach(reader, targets, value)
  }
  return value
}

const updateStatement: Visit = (reader, node) => {
  const [target, , value] = childrenOf(node)
  if (target === undefined || value === undefined) return unknown
  const sum = concat(reader.visit(target), reader.visit(value))
  assign(reader, target, sum)
  return sum
}

const visitBodies = (reader: Reader, nodes: ReadonlyArray<SyntaxNode>) => {
  for (const body of nodes.filter(isNamed("Body"))) reader.visit(body)
  return unknown
}

const forStatement: Visit = (reader, node) => {
  const nodes = childrenOf(node)
  const source = nodes[nodes.findIndex(isNamed("in")) + 1]
  const over = source === undefined ? unknown : reader.visit(source)
  assign(reader, nodes.find(isNamed("VariableName")), over.items?.[0] ?? ofSources(over))
  const isEndless = over.name === "itertools.count()"
  return reader.surroundings.inLoop(isEndless, () => visitBodies(reader, nodes))
}

const isEndless = ({ textOf }: Reader, node: SyntaxNode) => {
  const [, condition] = childrenOf(node)
  return (
    condition !== undefined &&
    /^\(*(True|1|not False|1 *== *1)\)*$/.test(textOf(condition)) &&
    !/\b(break|return|raise|waitpid|wait)\b/.test(textOf(node))
  )
}

const whileStatement: Visit = (reader, node) => {
  reader.surroundings.inLoop(isEndless(reader, node), () => visitAll(reader, childrenOf(node)))
  return unknown
}

const withStatement: Visit = (reader, node) => {
  const nodes = childrenOf(node)
  const values = nodes.map((child, index) =>
    nodes[index - 1]?.name === "as" || child.name === "Body" ? unknown : reader.visit(child)
  )
  for (const [index, child] of nodes.entries())
    if (child.name === "as") assign(reader, nodes[index + 1], values[index - 1] ?? unknown)
  return visitBodies(reader, nodes)
}

/** Has a function that is no method stand under its name. */
const nameFunction = ({ surroundings, textOf, variables }: Reader, node: SyntaxNode, own: string) => {
  const isMethod = node.parent?.parent?.name === "ClassDefinition"
  if (isMethod || own === "") return
  variables.set(own, ofName(localName(own)))
  const body = node.getChild("Body")
  if (body !== null && hasCallOf(own, textOf(body))) surroundings.callsItself(own)
}

const localName = (own: string) => `local:${own}`

const parametersOf = (node: SyntaxNode) => node.getChild("ParamList")?.getChildren("VariableName") ?? []

const functionDefinition: Visit = (reader, node) => {
  const { returned, surroundings, textOf, variables } = reader
  const name = node.getChild("VariableName")
  const own = name === null ? "" : textOf(name)
  nameFunction(reader, node, own)
  for (const parameter of parametersOf(node)) variables.delete(textOf(parameter))
  if (!returned.has(localName(own))) returned.set(localName(own), unknown)
  const rest = childrenOf(node).filter((child) => child.name !== "VariableName")
  surroundings.inFunction(own, false, () => visitAll(reader, rest))
  return unknown
}

const returnStatement: Visit = (reader, node): Value => {
  const value = visitAll(reader, childrenOf(node))
  const own = reader.surroundings.innermost()
  if (own === undefined) return value
  const name = localName(own)
  reader.returned.set(name, ofSources(reader.returned.get(name) ?? unknown, value))
  return value
}

/** How statements are read, by the names of their nodes. */
export const statements: Readonly<Record<string, Visit>> = {
  AssignStatement: assignStatement,
  UpdateStatement: updateStatement,
  ForStatement: forStatement,
  WhileStatement: whileStatement,
  WithStatement: withStatement,
  FunctionDefinition: functionDefinition,
  ReturnStatement: returnStatement,
  ImportStatement: importStatement
}
