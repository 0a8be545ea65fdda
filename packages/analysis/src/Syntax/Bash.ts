import { forEachChild, parse, type SyntaxNode, type Word, type WordPart } from "unbash"
import * as Decoding from "./Decoding.js"
import { type Analysed, type Listener, lineCounter, type Place } from "./Facts.js"
import { concat, gap, madeBy, ofSources, ofText, unknown, type Value } from "./Value.js"

type Command = Extract<SyntaxNode, { readonly type: "Command" }>
type Redirection = Command["redirects"][number]

/** Commands that run the command that follows, and those of their options that take a word. */
const wrappers: Readonly<Record<string, string>> = {
  sudo: "ugCp",
  doas: "u",
  nohup: "",
  setsid: "",
  env: "u",
  command: "",
  builtin: "",
  exec: "a",
  time: "fo",
  nice: "n",
  ionice: "cn",
  timeout: "sk",
  stdbuf: "ioe",
  busybox: "",
  xargs: "IinLPd",
  unshare: ""
}

/** Wrappers whose first word of their own comes before the command. */
const takesWord = new Set(["timeout"])

const interpreters: ReadonlyArray<readonly [pattern: RegExp, language: Analysed, option: string]> = [
  [/^(ba|z|da|a|k|fi)?sh$/, "bash", "c"],
  [/^python[\d.]*$/, "python", "c"],
  [/^(node|nodejs|bun)$/, "javascript", "e"]
]

const baseName = (text: string) => text.slice(text.lastIndexOf("/") + 1)

/** A program within a program, as it is found. */
export type HearInner = (code: string, language: Analysed, line: number) => void

/** Reads a program, and tells what it does. */
export const read = (code: string, listener: Listener, hearInner: HearInner): void => {
  const lineOf = lineCounter(code)
  const variables = new Map<string, Value>()
  const functions: Array<string> = []
  let loops = 0

  variables.set("0", ofText("$0"))

  const placesOf = (): ReadonlySet<Place> => new Set(loops > 0 ? (["endless-loop"] as const) : [])

  const scriptValue = (script: SyntaxNode | undefined): Value =>
    script === undefined || !("commands" in script)
      ? unknown
      : concatAll((script.commands as ReadonlyArray<SyntaxNode>).map(visit))

  const concatAll = (values: ReadonlyArray<Value>): Value =>
    values.length === 1 ? (values[0] ?? unknown) : values.length === 0 ? unknown : concat(...values)

  const partValue = (part: WordPart): Value => {
    switch (part.type) {
      case "SingleQuoted":
      case "AnsiCQuoted":
      case "Literal":
        return ofText(part.value)
      case "DoubleQuoted":
      case "LocaleString":
        return part.parts.length === 0 ? ofText("") : concat(...part.parts.map(partValue))
      case "SimpleExpansion":
        return variables.get(part.text.slice(1)) ?? ofText(/^\$IFS/.test(part.text) ? " " : gap)
      case "ParameterExpansion":
        return part.parameter === "IFS" ? ofText(" ") : expansion(part)
      case "CommandExpansion": {
        const value = scriptValue(part.script)
        return value.text === undefined ? ofText(gap, value) : ofText(value.text.trimEnd(), value)
      }
      case "ProcessSubstitution": {
        const value = scriptValue(part.script)
        return ofText(gap, value)
      }
      case "BraceExpansion":
        return ofText(part.text)
      default:
        return ofText("value" in part && typeof part.value === "string" ? part.value : part.text)
    }
  }

  const expansion = (part: Extract<WordPart, { readonly type: "ParameterExpansion" }>): Value => {
    const value = variables.get(part.parameter)
    const { operation } = part
    if (operation?.type === "Default" && value === undefined) return wordValue(operation.operand)
    if (operation?.type === "Slice" && value?.text !== undefined) {
      const [offset, length] = [
        Number(operation.offset.value),
        Number(operation.length?.value ?? value.text.length)
      ]
      if (Number.isInteger(offset) && Number.isInteger(length))
        return ofText(value.text.slice(offset).slice(0, length), value)
    }
    return value ?? ofText(gap)
  }

  const wordValue = (word: Word): Value =>
    word.parts === undefined || word.parts.length === 0
      ? ofText(word.value)
      : concat(...word.parts.map(partValue))

  /** A word that stands for a command may be several: `$CMD` and `{nc,-e,sh}`. */
  const wordsOf = (word: Word): ReadonlyArray<Value> => {
    const value = wordValue(word)
    const isBare = word.parts?.some(
      ({ type }) => type === "SimpleExpansion" || type === "ParameterExpansion" || type === "CommandExpansion"
    )
    if (value.text !== undefined && isBare && /\s/.test(value.text.trim()))
      return value.text
        .trim()
        .split(/\s+/)
        .map((text) => ofText(text, value))
    const braced = /^\{([^{}]+,[^{}]*)\}$/.exec(value.text ?? "")
    return braced?.[1] === undefined ? [value] : braced[1].split(",").map((text) => ofText(text))
  }

  const redirectionValue = (redirection: Redirection): Value => {
    if (redirection.type === "HereDoc") {
      const { body } = redirection
      return body.parts === undefined || body.parts.length === 0
        ? ofText(body.text)
        : concat(...body.parts.map(partValue))
    }
    return redirection.target === undefined ? unknown : wordValue(redirection.target)
  }

  /** The words of the command itself, without what merely runs it. */
  const unwrapped = (words: ReadonlyArray<Value>): ReadonlyArray<Value> => {
    const name = baseName(words[0]?.text ?? "")
    const takes = Object.hasOwn(wrappers, name) ? wrappers[name] : undefined
    if (takes === undefined) return words
    let at = 1
    let own = takesWord.has(name) ? 1 : 0
    for (; at < words.length; at++) {
      const text = words[at]?.text ?? ""
      if (/^-./.test(text)) at += text.length === 2 && takes.includes(text.charAt(1)) ? 1 : 0
      else if (/^\w+=/.test(text)) continue
      else if (own > 0) own--
      else break
    }
    return at >= words.length ? words : unwrapped(words.slice(at))
  }

  const outputOf = (name: string, args: ReadonlyArray<Value>, input: Value): Value => {
    const words = args.filter(({ text }) => !/^-\w+$/.test(text ?? ""))
    const flags = args
      .map(({ text }) => text ?? "")
      .filter((text) => text.startsWith("-"))
      .join(" ")
    const from = [input, ...args]
    const decoded = (decoder: Decoding.Decoder) => {
      const text = input.text === undefined ? undefined : decoder(input.text.trim())
      return text === undefined ? undefined : ofText(Decoding.utf8(text) ?? text, ...from)
    }
    switch (name) {
      case "echo":
      case "printf": {
        const text = words.map(({ text }) => text ?? gap).join(" ")
        return ofText(name === "printf" || flags.includes("e") ? Decoding.unescaped(text) : text, ...from)
      }
      case "cat":
        return words.length === 0 ? input : ofSources(...from)
      case "base64":
      case "openssl":
        return (/-\w*[dD]/.test(flags) ? decoded(Decoding.base64) : undefined) ?? ofSources(...from)
      case "base32":
        return decoded(Decoding.base32) ?? ofSources(...from)
      case "xxd":
        return (flags.includes("r") ? decoded(Decoding.hex) : undefined) ?? ofSources(...from)
      case "rev":
        return decoded(Decoding.reversed) ?? ofSources(...from)
      case "tr":
        return (
          (/^A-Z/i.test(words[0]?.text ?? "") && /^N-Z/i.test(words[1]?.text ?? "")
            ? decoded(Decoding.rot13)
            : undefined) ?? ofSources(...from)
        )
      case "tee":
        return input
      default:
        return ofSources(...from)
    }
  }

  const innerOf = (name: string, args: ReadonlyArray<Value>, input: Value, line: number) => {
    if (name === "eval") hearInner(args.map(({ text }) => text ?? gap).join(" "), "bash", line)
    if (name === "trap" && args[0]?.text !== undefined) hearInner(args[0].text, "bash", line)
    for (const [pattern, language, option] of interpreters) {
      if (!pattern.test(name)) continue
      const at = args.findIndex(({ text }) => text !== undefined && new RegExp(`^-\\w*${option}$`).test(text))
      const given = at < 0 ? undefined : args[at + 1]?.text
      if (given !== undefined) hearInner(given, language, line)
      else if (input.text !== undefined) hearInner(input.text, language, line)
    }
  }

  const commandOf = (command: Command, piped: Value): Value => {
    const line = lineOf(command.pos)
    for (const part of command.prefix) if (part.type === "Assignment") assign(part)
    const given = command.args.flatMap((argument) =>
      argument.type === "Word" ? wordsOf(argument) : [assigned(argument)]
    )
    const words = unwrapped([...(command.name === undefined ? [] : wordsOf(command.name)), ...given])
    const name = baseName(words[0]?.text ?? "")
    const args = words.slice(1)
    const redirected = command.redirects.map(
      (redirection) => [redirection, redirectionValue(redirection)] as const
    )
    const stdin = redirected.filter(([{ operator }]) => operator.startsWith("<")).at(-1)
    const isText = stdin !== undefined && (stdin[0].type === "HereDoc" || stdin[0].operator === "<<<")
    const input = stdin === undefined ? piped : isText ? stdin[1] : ofSources(stdin[1])
    for (const { text } of args) if (text !== undefined) listener.text({ text, line })
    const output = outputOf(name, args, input)
    if (name !== "") {
      const call = functions.includes(name) ? `local:${name}` : name
      listener.call({ name: call, args: [...args, input], line, places: placesOf() })
      innerOf(name, args, input, line)
    }
    for (const [redirection, target] of redirected) {
      if (redirection.type !== "Redirect") continue
      const kind = redirection.operator.includes(">") ? "write-to" : "read-from"
      listener.call({ name: kind, args: [target, output, ofText(name)], line, places: placesOf() })
    }
    return name === "" ? output : madeBy(output, name)
  }

  const assigned = (assignment: Extract<SyntaxNode, { readonly type: "Assignment" }>): Value => {
    assign(assignment)
    return ofText(assignment.text)
  }

  const assign = ({ append, name, value }: Extract<SyntaxNode, { readonly type: "Assignment" }>) => {
    if (value.type !== "Word") {
      for (const element of value.elements) wordValue(element)
      return
    }
    const known = wordValue(value)
    variables.set(name, append ? concat(variables.get(name) ?? ofText(""), known) : known)
  }

  const bodyText = ({ end, pos }: { readonly pos: number; readonly end: number }) => code.slice(pos, end)

  const visit = (node: SyntaxNode): Value => visitNode(node, unknown)

  const visitNode = (node: SyntaxNode, piped: Value): Value => {
    switch (node.type) {
      case "Command":
        return commandOf(node, piped)
      case "Pipeline": {
        let value: Value = piped
        for (const command of node.commands) value = visitNode(command, value)
        return value
      }
      case "Statement":
        return visit(node.command)
      case "AndOr":
        return concatAll(node.commands.map(visit))
      case "Subshell":
      case "BraceGroup":
        return concatAll(node.body.commands.map(visit))
      case "CompoundList":
        return concatAll(node.commands.map(visit))
      case "While": {
        const forever =
          /^(true|:|\[ 1 \]|\[\[ 1 \]\])\s*;?$/.test(bodyText(node.clause).trim()) &&
          node.kind === "while" &&
          !/\b(break|exit|return|sleep|wait|read)\b/.test(bodyText(node.body))
        visit(node.clause)
        loops += forever ? 1 : 0
        visit(node.body)
        loops -= forever ? 1 : 0
        return unknown
      }
      case "For": {
        const [first] = (node.wordlist ?? []).map(wordValue)
        variables.set(node.name.value, first ?? ofText(gap))
        return visit(node.body)
      }
      case "Function": {
        const name = node.name.value
        functions.push(name)
        const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
        const text = bodyText(node.body)
        // A function that pipes itself into itself, or leaves itself in the background, doubles with each call.
        const doubles = new RegExp(
          `(^|[\\s;{|&(])${escaped}\\s*\\|\\s*${escaped}(\\s|&|;|$)|(^|[\\s;{|&(])${escaped}\\s*&\\s*(${escaped}|;|\\})`
        )
        if (doubles.test(text)) {
          const places = new Set<Place>(["recursion"])
          listener.call({ name: "fork", args: [], line: lineOf(node.pos), places })
        }
        return visit(node.body)
      }
      case "Redirected": {
        const value = visit(node.command)
        for (const redirection of node.redirects) {
          const target = redirectionValue(redirection)
          if (redirection.type !== "Redirect") continue
          const kind = redirection.operator.includes(">") ? "write-to" : "read-from"
          listener.call({ name: kind, args: [target, value], line: lineOf(node.pos), places: placesOf() })
        }
        return value
      }
      case "Word":
        return wordValue(node)
      default: {
        const values: Array<Value> = []
        forEachChild(node, (child) => void values.push(visit(child)))
        return ofSources(...values)
      }
    }
  }

  visit(parse(code))
}
