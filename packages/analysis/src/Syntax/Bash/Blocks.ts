import type { Place } from "../Facts.js"
import { gap, ofText, unknown, type Value } from "../Value.js"
import { type Reader, type Visit, visitAll } from "./Reader.js"
import { valueOf } from "./Words.js"

export const pipeline: Visit<"Pipeline"> = ({ visit }, { commands }, piped) =>
  commands.reduce<Value>((input, command) => visit(command, input), piped)

export const statement: Visit<"Statement"> = ({ visit }, node) => visit(node.command)

export const inBrackets: Visit<"Subshell" | "BraceGroup"> = (reader, { body }) =>
  visitAll(reader, body.commands)

export const list: Visit<"AndOr" | "CompoundList"> = (reader, node) => visitAll(reader, node.commands)

export const whileLoop: Visit<"While"> = ({ surroundings, textOf, visit }, { body, clause, kind }) => {
  const isEndless =
    kind === "while" &&
    /^(true|:|\[ 1 \]|\[\[ 1 \]\])\s*;?$/.test(textOf(clause).trim()) &&
    !/\b(break|exit|return|sleep|wait|read)\b/.test(textOf(body))
  visit(clause)
  surroundings.inLoop(isEndless, () => visit(body))
  return unknown
}

export const forLoop: Visit<"For"> = (reader, { body, name, wordlist = [] }) => {
  const [first] = wordlist.map((word) => valueOf(reader, word))
  reader.variables.set(name.value, first ?? ofText(gap))
  return reader.visit(body)
}

const recursion: ReadonlySet<Place> = new Set(["recursion"])

/** Whether a function pipes itself into itself, or leaves itself in the background, and so doubles with each call. */
const doubles = (name: string, body: string) => {
  const own = name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
  const before = "(^|[\\s;{|&(])"
  const piped = `${before}${own}\\s*\\|\\s*${own}(\\s|&|;|$)`
  const inBackground = `${before}${own}\\s*&\\s*(${own}|;|\\})`
  return new RegExp(`${piped}|${inBackground}`).test(body)
}

export const functionDefinition: Visit<"Function"> = (reader: Reader, node) => {
  const name = node.name.value
  reader.functions.add(name)
  if (doubles(name, reader.textOf(node.body)))
    reader.listener.call({ name: "fork", args: [], line: reader.lineOf(node), places: recursion })
  return reader.visit(node.body)
}
