import type { SyntaxNode } from "unbash"
import { concat, madeBy, ofSources, ofText, unknown, type Value } from "../Value.js"
import { hearInnerOf } from "./Inner.js"
import { outputOf } from "./Outputs.js"
import type { Reader, Visit } from "./Reader.js"
import { bodyOf, valueOf, wordsOf } from "./Words.js"
import { nameOf, unwrapped } from "./Wrappers.js"

type Command = Extract<SyntaxNode, { readonly type: "Command" }>
type Assignment = Extract<SyntaxNode, { readonly type: "Assignment" }>
type Redirection = Command["redirects"][number]

/** A redirection, and what it leads to. */
interface Redirected {
  readonly redirection: Redirection
  readonly target: Value
}

const assign = (reader: Reader, { append, name, value }: Assignment) => {
  if (value.type !== "Word") {
    for (const element of value.elements) valueOf(reader, element)
    return
  }
  const given = valueOf(reader, value)
  const before = reader.variables.get(name) ?? ofText("")
  reader.variables.set(name, append ? concat(before, given) : given)
}

const targetOf = (reader: Reader, redirection: Redirection): Value => {
  if (redirection.type === "HereDoc") return bodyOf(reader, redirection.body)
  return redirection.target === undefined ? unknown : valueOf(reader, redirection.target)
}

/** Tells of redirections as the calls that they stand for. */
const tellRedirections = (
  { listener, surroundings }: Reader,
  redirected: ReadonlyArray<Redirected>,
  behind: ReadonlyArray<Value>,
  line: number
) => {
  for (const { redirection, target } of redirected) {
    if (redirection.type !== "Redirect") continue
    const name = redirection.operator.includes(">") ? "write-to" : "read-from"
    listener.call({ name, args: [target, ...behind], line, places: surroundings.places() })
  }
}

/** What a command reads: what is redirected to it, or else what is piped into it. */
const inputOf = (redirected: ReadonlyArray<Redirected>, piped: Value): Value => {
  const last = redirected.filter(({ redirection }) => redirection.operator.startsWith("<")).at(-1)
  if (last === undefined) return piped
  const { redirection, target } = last
  return redirection.type === "HereDoc" || redirection.operator === "<<<" ? target : ofSources(target)
}

/** The words of a command, its name first; assignments among them are made. */
const commandWords = (reader: Reader, { args, name, prefix }: Command): ReadonlyArray<Value> => {
  for (const part of prefix) if (part.type === "Assignment") assign(reader, part)
  const given = args.flatMap((argument) => {
    if (argument.type === "Word") return wordsOf(reader, argument)
    assign(reader, argument)
    return [ofText(argument.text)]
  })
  return unwrapped([...(name === undefined ? [] : wordsOf(reader, name)), ...given])
}

const tellCommand = (
  reader: Reader,
  name: string,
  args: ReadonlyArray<Value>,
  input: Value,
  line: number
) => {
  const { functions, listener, surroundings } = reader
  const call = functions.has(name) ? `local:${name}` : name
  listener.call({ name: call, args: [...args, input], line, places: surroundings.places() })
  hearInnerOf(reader, name, args, input, line)
}

export const command: Visit<"Command"> = (reader, node, piped) => {
  const line = reader.lineOf(node)
  const [first, ...args] = commandWords(reader, node)
  const name = nameOf(first)
  const redirected = node.redirects.map((redirection) => ({
    redirection,
    target: targetOf(reader, redirection)
  }))
  const input = inputOf(redirected, piped)
  for (const { text } of args) if (text !== undefined) reader.listener.text({ text, line })
  const output = outputOf(name, args, input)
  if (name !== "") tellCommand(reader, name, args, input, line)
  tellRedirections(reader, redirected, [output, ofText(name)], line)
  return name === "" ? output : madeBy(output, name)
}

/** A whole block of commands, with redirections behind it. */
export const redirectedBlock: Visit<"Redirected"> = (reader, node) => {
  const output = reader.visit(node.command)
  for (const redirection of node.redirects) {
    const target = targetOf(reader, redirection)
    tellRedirections(reader, [{ redirection, target }], [output], reader.lineOf(node))
  }
  return output
}
