import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import { unknown } from "../Value.js"
import { functionDeclaration, valueNamed } from "./Functions.js"
import { bind, importDeclaration } from "./Names.js"
import { type Reader, type Visit, visitAll } from "./Reader.js"

/** The node of the name, or of the pattern, that an equals sign gives a value. */
const targetBefore = (nodes: ReadonlyArray<SyntaxNode>, equals: number) =>
  nodes
    .slice(0, equals)
    .reverse()
    .find(({ name }) => name !== "TypeAnnotation")

const variableDeclaration: Visit = (reader, node) => {
  const nodes = childrenOf(node)
  for (const [index, { name }] of nodes.entries()) {
    if (name !== "Equals") continue
    const [target, value] = [targetBefore(nodes, index), nodes[index + 1]]
    if (target === undefined || value === undefined) continue
    bind(reader, target, valueNamed(reader, value, reader.textOf(target)))
  }
  return unknown
}

const endless = /^(while\s*\(\s*(true|1|!0)\s*\)|for\s*\([^;()]*;\s*(true|1)?\s*;[^;()]*\))/

const isEndless = ({ textOf }: Reader, node: SyntaxNode) =>
  endless.test(textOf(node)) && !/\b(break|return|throw|await)\b/.test(textOf(node))

const loop: Visit = (reader, node) => {
  reader.surroundings.inLoop(isEndless(reader, node), () => visitAll(reader, childrenOf(node)))
  return unknown
}

/** How statements are read, by the names of their nodes. */
export const statements: Readonly<Record<string, Visit>> = {
  VariableDeclaration: variableDeclaration,
  FunctionDeclaration: functionDeclaration,
  WhileStatement: loop,
  ForStatement: loop,
  ImportDeclaration: importDeclaration
}
