import { forEachChild, parse, type SyntaxNode } from "unbash"
import * as Blocks from "./Bash/Blocks.js"
import * as Commands from "./Bash/Commands.js"
import * as Reader from "./Bash/Reader.js"
import { valueOf } from "./Bash/Words.js"
import type { Listener } from "./Facts.js"
import { ofSources, type Value } from "./Value.js"

const visitChildren = ({ visit }: Reader.Reader, node: SyntaxNode): Value => {
  const values: Array<Value> = []
  forEachChild(node, (child) => void values.push(visit(child)))
  return ofSources(...values)
}

const visit = (reader: Reader.Reader, node: SyntaxNode, piped: Value): Value => {
  switch (node.type) {
    case "Command":
      return Commands.command(reader, node, piped)
    case "Redirected":
      return Commands.redirectedBlock(reader, node, piped)
    case "Pipeline":
      return Blocks.pipeline(reader, node, piped)
    case "Statement":
      return Blocks.statement(reader, node, piped)
    case "Subshell":
    case "BraceGroup":
      return Blocks.inBrackets(reader, node, piped)
    case "AndOr":
    case "CompoundList":
      return Blocks.list(reader, node, piped)
    case "While":
      return Blocks.whileLoop(reader, node, piped)
    case "For":
      return Blocks.forLoop(reader, node, piped)
    case "Function":
      return Blocks.functionDefinition(reader, node, piped)
    case "Word":
      return valueOf(reader, node)
    default:
      return visitChildren(reader, node)
  }
}

/** Reads a program, and tells what it does and which programs it runs. */
export const read = (code: string, listener: Listener, hearInner: Reader.HearInner): void => {
  Reader.make(code, listener, hearInner, visit).visit(parse(code))
}
