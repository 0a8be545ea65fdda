import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import { gap, madeBy, ofItems, ofName, ofSources, ofText, unknown, type Value } from "../Value.js"
import { comprehension } from "./Comprehensions.js"
import * as Folds from "./Folds.js"
import { member, subscript } from "./Names.js"
import { isMark, isNamed, type Reader } from "./Reader.js"

/** What is called, and of which value it is a method. */
interface Callee {
  readonly target: Value
  readonly self: Value
  readonly method?: string
}

interface Call extends Callee {
  readonly name: string
  readonly args: ReadonlyArray<Value>
}

const calleeOf = (reader: Reader, node: SyntaxNode): Callee => {
  if (node.name !== "MemberExpression") return { target: reader.visit(node), self: unknown }
  const [base, ...inside] = childrenOf(node)
  const self = base === undefined ? unknown : reader.visit(base)
  const key = inside.at(-1)
  if (key?.name !== "PropertyName") return { target: subscript(reader, self, inside), self }
  const method = reader.textOf(key)
  return { target: member(reader, self, method), self, method }
}

const argumentsOf = (reader: Reader, list: SyntaxNode | undefined): ReadonlyArray<Value> => {
  const nodes = list === undefined ? [] : childrenOf(list)
  if (nodes.some(isNamed("for"))) return [comprehension(reader, nodes)]
  const isValue = (node: SyntaxNode, index: number) =>
    !isMark(node) && node.name !== "AssignOp" && nodes[index + 1]?.name !== "AssignOp"
  return nodes.filter(isValue).map(reader.visit)
}

const getter = /^(__builtins__|globals\(\)|vars\(\)|sys\.modules|.*\.__dict__)\.get$/

const packageOf = (module: string) => module.split(".")[0] ?? ""

/** What a call stands for that looks a name up. */
const lookedUp = (reader: Reader, { args, name }: Call): Value | undefined => {
  const [first, second] = args
  if (name === "getattr" && first?.name !== undefined && second?.text !== undefined)
    return member(reader, first, second.text)
  const key = first?.text
  if (key === undefined) return undefined
  if (name === "__import__") return ofName(second === undefined ? packageOf(key) : key)
  if (name === "importlib.import_module") return ofName(key)
  if (name.endsWith(".__getattribute__"))
    return member(reader, ofName(name.slice(0, -".__getattribute__".length)), key)
  return getter.test(name) ? member(reader, ofName(name.slice(0, -".get".length)), key) : undefined
}

const isRecursive = ({ surroundings, variables }: Reader, name: string) =>
  surroundings.isWithin((own) => variables.get(own)?.name === name)

const reversed = (value: Value): Value => {
  const items = value.text === undefined ? value.items : [...value.text].map((letter) => ofText(letter))
  return items === undefined ? value : ofItems([...items].reverse())
}

/** What is known of a call's result beside what it was made with. */
const itemsOf = ({ args: [first, second], name }: Call, made: Value): Value | undefined => {
  if (name === "map" && first?.name === "chr" && second?.items !== undefined) {
    const letter = (code: Value) => madeBy(ofText(Folds.charactersOf(ofItems([code])) ?? gap), "chr")
    return { ...madeBy(made, "chr"), items: second.items.map(letter) }
  }
  if (first === undefined) return undefined
  if (name === "reversed") return reversed(first)
  return name === "list" || name === "tuple" ? first : undefined
}

const resultOf = (reader: Reader, call: Call, line: number): Value => {
  const { args, method, name, self, target } = call
  const folded = Folds.foldOf(name, method)?.(self, args)
  const given = args.map((arg) => (arg.name?.includes(".") ? madeBy(arg, arg.name) : arg))
  const from = [target, self, ...given, reader.returned.get(name) ?? unknown]
  if (folded !== undefined) {
    const value = madeBy(ofText(folded, ...from), name)
    if (value.text !== undefined && value.text.length > 1) reader.listener.text({ text: value.text, line })
    return value
  }
  const made = { ...ofSources(...from), name: `${name}()` }
  return itemsOf(call, made) ?? (name === "" ? made : madeBy(made, name))
}

export const callExpression = (reader: Reader, node: SyntaxNode): Value => {
  const [calleeNode, list] = childrenOf(node)
  if (calleeNode === undefined) return unknown
  const callee = calleeOf(reader, calleeNode)
  const args = argumentsOf(reader, list)
  const name = callee.target.name ?? ""
  const call = { ...callee, name, args }
  const line = reader.lineOf(node)
  const found = lookedUp(reader, call)
  if (found !== undefined) return found
  const places = reader.surroundings.places(isRecursive(reader, name))
  if (name !== "") reader.listener.call({ name, args, self: callee.self, line, places })
  return resultOf(reader, call, line)
}
