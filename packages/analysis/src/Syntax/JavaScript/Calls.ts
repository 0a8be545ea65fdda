import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import { madeBy, ofItems, ofName, ofSources, unknown, type Value } from "../Value.js"
import * as Folds from "./Folds.js"
import { bind, element, member, moduleOf } from "./Names.js"
import { partsOf, type Reader } from "./Reader.js"

/** What is called, and of which value it is a method. */
interface Callee {
  readonly target: Value
  readonly self: Value
  readonly method?: string
}

interface Call extends Callee {
  readonly name: string
  readonly args: ReadonlyArray<Value>
  /** The nodes of the arguments. */
  readonly list: SyntaxNode | undefined
  readonly line: number
}

const calleeOf = (reader: Reader, node: SyntaxNode): Callee => {
  if (node.name !== "MemberExpression") return { target: reader.visit(node), self: unknown }
  const self = node.firstChild === null ? unknown : reader.visit(node.firstChild)
  const key = node.lastChild
  if (key?.name !== "PropertyName")
    return { target: element(reader, self, partsOf(node).slice(1).map(reader.visit)), self }
  const method = reader.textOf(key)
  return { target: member(reader, self, method), self, method }
}

/** What a call stands for that loads a module, or makes a function from a text. */
const lookedUp = ({ listener, surroundings }: Reader, { args, line, name }: Call): Value | undefined => {
  if (name === "require" && args[0]?.text !== undefined) return moduleOf(args[0].text)
  if (name.endsWith(".constructor")) {
    listener.call({ name: "Function", args, line, places: surroundings.places() })
    return ofName("Function()", ...args)
  }
  return name === "Function()" ? ofName("globalThis") : undefined
}

/** What a promise is of stands for what it will be. */
const visitHandler = (reader: Reader, { list, method, self }: Call) => {
  if (method !== "then" || list === undefined || self.name === undefined) return
  const [handler] = partsOf(list)
  const parameters = handler?.getChild("ParamList")
  if (handler === undefined || !parameters) return
  for (const parameter of partsOf(parameters)) bind(reader, parameter, self)
  reader.visit(handler)
}

/** As many items as a function is followed for. */
const mostItems = 10_000

/** What a short arrow function makes of each item. */
const mapped = (reader: Reader, { list, method, self: { items } }: Call): Value | undefined => {
  if (method !== "map" || items === undefined || items.length > mostItems) return undefined
  const arrow = list?.getChild("ArrowFunction")
  const parameter = arrow?.getChild("ParamList")?.getChild("VariableDefinition")
  const body = arrow?.lastChild
  if (!parameter || !body || body.name === "Block") return undefined
  return ofItems(
    items.map((item) => {
      bind(reader, parameter, item)
      return reader.visit(body)
    })
  )
}

const resultOf = (reader: Reader, call: Call): Value => {
  const { args, line, method, name, self, target } = call
  const folded = Folds.foldOf(name, method)?.(self, args)
  if (folded !== undefined) {
    const { text } = folded
    if (text !== undefined && text.length > 1) reader.listener.text({ text, line })
    return madeBy(folded, name === "" ? (method ?? "") : name)
  }
  const made = { ...ofSources(target, self, ...args), name: `${name}()` }
  return mapped(reader, call) ?? (name === "" ? made : madeBy(made, name))
}

const argumentsOf = ({ surroundings, visit }: Reader, name: string, list: SyntaxNode | undefined) =>
  surroundings.inLoop(name === "setInterval", () => (list === undefined ? [] : partsOf(list).map(visit)))

const callOf = (reader: Reader, node: SyntaxNode): Call | undefined => {
  const [calleeNode, ...behind] = childrenOf(node).filter(
    ({ name }) => name !== "new" && name !== "TypeArgList"
  )
  if (calleeNode === undefined) return undefined
  const callee = calleeOf(reader, calleeNode)
  const name = callee.target.name ?? ""
  const list = behind.find((child) => child.name === "ArgList")
  return { ...callee, name, args: argumentsOf(reader, name, list), list, line: reader.lineOf(node) }
}

export const callExpression = (reader: Reader, node: SyntaxNode): Value => {
  if (node.firstChild?.name === "DynamicImport") return reader.visit(node.firstChild)
  const call = callOf(reader, node)
  if (call === undefined) return unknown
  const found = lookedUp(reader, call)
  if (found !== undefined) return found
  visitHandler(reader, call)
  const { args, line, name, self } = call
  if (name !== "") reader.listener.call({ name, args, self, line, places: reader.surroundings.places() })
  return resultOf(reader, call)
}
