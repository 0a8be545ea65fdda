import type { SyntaxNode } from "@lezer/common"
import { hasCallOf } from "../Surroundings.js"
import { ofName, unknown, type Value } from "../Value.js"
import { partsOf, type Reader, type Visit, visitAll } from "./Reader.js"

const forgetParameters = ({ textOf, variables }: Reader, node: SyntaxNode) => {
  // What is called right there was given what its parameters are.
  if (node.parent?.name === "ArgList") return
  const parameters = node.getChild("ParamList")?.getChildren("VariableDefinition") ?? []
  for (const parameter of parameters) variables.delete(textOf(parameter))
}

const isOfBody = ({ name }: SyntaxNode) => name !== "VariableDefinition" && name !== "ParamList"

const functionOf = (reader: Reader, node: SyntaxNode, name: string): Value => {
  const body = node.getChild("Block")
  if (body !== null && hasCallOf(name, reader.textOf(body))) reader.surroundings.callsItself(name)
  forgetParameters(reader, node)
  const isCalledThere = name === ""
  reader.surroundings.inFunction(name, isCalledThere, () => visitAll(reader, partsOf(node).filter(isOfBody)))
  return name === "" ? unknown : ofName(`local:${name}`)
}

/** A value that is given a name, which a function takes for its own. */
export const valueNamed = (reader: Reader, node: SyntaxNode, name: string): Value =>
  node.name === "ArrowFunction" || node.name === "FunctionExpression"
    ? functionOf(reader, node, name)
    : reader.visit(node)

const ownNameOf = ({ textOf }: Reader, node: SyntaxNode) => {
  const definition = node.getChild("VariableDefinition")
  return definition === null ? "" : textOf(definition)
}

export const functionDeclaration: Visit = (reader, node) => {
  const name = ownNameOf(reader, node)
  if (name !== "") reader.variables.set(name, ofName(`local:${name}`))
  return functionOf(reader, node, name)
}

export const functionExpression: Visit = (reader, node) => functionOf(reader, node, ownNameOf(reader, node))
