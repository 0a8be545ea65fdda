import type { SyntaxNode } from "@lezer/common"
import { parser } from "@lezer/javascript"
import { childrenOf } from "./Children.js"
import * as Decoding from "./Decoding.js"
import { type Listener, lineCounter, type Place } from "./Facts.js"
import {
  asText,
  concat,
  gap,
  madeBy,
  ofItems,
  ofName,
  ofNumber,
  ofSources,
  ofText,
  unknown,
  type Value
} from "./Value.js"

const typescript = parser.configure({ dialect: "ts jsx" })
const typescriptAlone = parser.configure({ dialect: "ts" })

const isMark = ({ name }: SyntaxNode) => !/\w/.test(name) || name === "Equals" || name === "Arrow"

const globals = new Set(["globalThis", "global", "window", "self"])

const moduleOf = (specifier: string) => specifier.replace(/^node:/, "")

type Fold = (self: Value, args: ReadonlyArray<Value>) => Value | undefined

const texted = (text: string | undefined, ...from: ReadonlyArray<Value>) =>
  text === undefined ? undefined : ofText(text, ...from)

const ofCodes = (codes: ReadonlyArray<Value>) =>
  codes.length > 0 && codes.every(({ number }) => number !== undefined && number >= 0 && number < 0x11_00_00)
    ? codes.map(({ number = 0 }) => String.fromCodePoint(number)).join("")
    : undefined

const first =
  (decoder: Decoding.Decoder): Fold =>
  (_, [data]) =>
    data?.text === undefined ? undefined : texted(decoder(data.text), data)

const encodings: Readonly<Record<string, Decoding.Decoder>> = {
  base64: Decoding.base64,
  base64url: Decoding.base64,
  hex: Decoding.hex
}

/** Calls of functions whose result is known where what they are given is. */
const functions: Readonly<Record<string, Fold>> = {
  atob: first(Decoding.base64),
  unescape: first(Decoding.percent),
  decodeURIComponent: first(Decoding.percent),
  decodeURI: first(Decoding.percent),
  "String.fromCharCode": (_, codes) => texted(ofCodes(codes), ...codes),
  "String.fromCodePoint": (_, codes) => texted(ofCodes(codes), ...codes),
  "Buffer.from": (_, [data, encoding]) =>
    data?.text === undefined
      ? texted(ofCodes(data?.items ?? []))
      : texted((encodings[encoding?.text ?? ""] ?? ((text) => text))(data.text), data)
}

/** The same of values' own methods. */
const methods: Readonly<Record<string, Fold>> = {
  toString: (self: Value, [encoding]: ReadonlyArray<Value>) =>
    self.text === undefined ||
    encoding?.text === "hex" ||
    encoding?.text === "base64" ||
    encoding?.number !== undefined
      ? undefined
      : texted(Decoding.utf8(self.text), self),
  join: (self, [separator]) =>
    self.items === undefined ? undefined : texted(self.items.map(asText).join(separator?.text ?? ","), self),
  split: (self, [separator]) =>
    self.text === undefined || separator?.text === undefined
      ? undefined
      : ofItems(self.text.split(separator.text).map((part) => ofText(part, self))),
  reverse: (self) => (self.items === undefined ? undefined : ofItems([...self.items].reverse())),
  concat: (self, args) => (self.text === undefined ? undefined : concat(self, ...args)),
  replace: (self, [from, to]) =>
    self.text === undefined || !from?.text || to?.text === undefined
      ? undefined
      : texted(
          self.text.replace(from.text, () => to.text ?? ""),
          self
        ),
  replaceAll: (self, [from, to]) =>
    self.text === undefined || !from?.text || to?.text === undefined
      ? undefined
      : texted(
          self.text.replaceAll(from.text, () => to.text ?? ""),
          self
        ),
  trim: (self) => texted(self.text?.trim(), self),
  toLowerCase: (self) => texted(self.text?.toLowerCase(), self)
}

/** Reads a program, and tells what it does. */
export const read = (code: string, listener: Listener): void => {
  const lineOf = lineCounter(code)
  const variables = new Map<string, Value>()
  const within: Array<string> = []
  const recursive = new Set<string>()
  let loops = 0

  const textOf = ({ from, to }: SyntaxNode) => code.slice(from, to)
  const visitAll = (nodes: ReadonlyArray<SyntaxNode>) => ofSources(...nodes.map(visit))
  const inner = (node: SyntaxNode) => childrenOf(node).filter((child) => !isMark(child))

  const lookUp = (name: string) => variables.get(name) ?? ofName(name)

  const member = (base: Value, key: string): Value => {
    if (base.name === undefined) return ofSources(base)
    if (globals.has(base.name)) return lookUp(key)
    if (key === "default" || key === "promises") return base
    if (key === "bind" || key === "call" || key === "apply") return base
    const name = /(^|\.)(process\.)?(mainModule|module)\.require$/.test(`${base.name}.${key}`)
      ? "require"
      : `${base.name}.${key}`
    return variables.get(name) ?? ofName(name, base)
  }

  const element = (base: Value, keys: ReadonlyArray<Value>): Value => {
    const key = keys.at(-1)
    if (key?.text !== undefined && base.name !== undefined) return member(base, key.text)
    if (key?.number !== undefined && base.items !== undefined) return base.items.at(key.number) ?? unknown
    return ofSources(base, ...keys)
  }

  const bind = (pattern: SyntaxNode, value: Value): void => {
    if (pattern.name === "VariableDefinition" || pattern.name === "VariableName")
      variables.set(textOf(pattern), value)
    else if (pattern.name === "ObjectPattern") {
      for (const property of pattern.getChildren("PatternProperty")) {
        const parts = inner(property)
        const key = parts[0]
        const target = parts.at(-1)
        if (key !== undefined && target !== undefined) bind(target, member(value, textOf(key)))
      }
    } else if (pattern.name === "ArrayPattern")
      for (const [index, target] of inner(pattern).entries())
        bind(target, value.items?.[index] ?? ofSources(value))
  }

  const placesOf = (): ReadonlySet<Place> => {
    const places = new Set<Place>()
    if (loops > 0) places.add("endless-loop")
    if (within.some((own) => recursive.has(own))) places.add("recursion")
    return places
  }

  const callOf = (node: SyntaxNode): Value => {
    const parts = childrenOf(node).filter(({ name }) => name !== "new" && name !== "TypeArgList")
    const callee = parts[0]
    if (callee === undefined) return unknown
    const isMember = callee.name === "MemberExpression"
    const self = isMember && callee.firstChild ? visit(callee.firstChild) : unknown
    const key = isMember ? callee.lastChild : undefined
    const method = key?.name === "PropertyName" ? textOf(key) : undefined
    const target = !isMember
      ? visit(callee)
      : method !== undefined
        ? member(self, method)
        : element(self, inner(callee).slice(1).map(visit))
    const list = parts.find(({ name }) => name === "ArgList")
    const name = target.name ?? ""
    const line = lineOf(node.from)
    const loopsForever = name === "setInterval" ? 1 : 0
    loops += loopsForever
    const args = list === undefined ? [] : inner(list).map(visit)
    loops -= loopsForever
    if (name === "require" && args[0]?.text !== undefined) return ofName(moduleOf(args[0].text))
    if (name.endsWith(".constructor.constructor") || name.endsWith(".constructor")) {
      listener.call({ name: "Function", args, line, places: placesOf() })
      return ofName("Function()", ...args)
    }
    if (name === "Function()") return ofName("globalThis")
    if (method === "then" && list !== null && list !== undefined) {
      const [handler] = inner(list)
      const params = handler?.getChild("ParamList")
      if (params && self.name !== undefined) {
        for (const param of inner(params)) bind(param, self)
        if (handler !== undefined) visit(handler)
      }
    }
    if (name !== "") listener.call({ name, args, self, line, places: placesOf() })
    const fold = Object.hasOwn(functions, name)
      ? functions[name]
      : method !== undefined && Object.hasOwn(methods, method)
        ? methods[method]
        : undefined
    const folded = fold?.(self, args)
    if (folded !== undefined) {
      if (folded.text !== undefined && folded.text.length > 1) listener.text({ text: folded.text, line })
      return madeBy(folded, name === "" ? (method ?? "") : name)
    }
    const mapped = method === "map" && self.items !== undefined ? mapOf(self.items, list) : undefined
    if (mapped !== undefined) return mapped
    const made = { ...ofSources(target, self, ...args), name: `${name}()` }
    return name === "" ? made : madeBy(made, name)
  }

  /** What a short arrow function makes of each item. */
  const mapOf = (items: ReadonlyArray<Value>, list: SyntaxNode | undefined): Value | undefined => {
    const arrow = list?.getChild("ArrowFunction")
    const params = arrow?.getChild("ParamList")
    const param = params?.getChild("VariableDefinition")
    const body = arrow?.lastChild
    if (!arrow || !param || !body || body.name === "Block" || items.length > 10_000) return undefined
    return ofItems(
      items.map((item) => {
        variables.set(textOf(param), item)
        return visit(body)
      })
    )
  }

  const templateOf = (node: SyntaxNode): Value => {
    const parts: Array<Value> = []
    let at = node.from + 1
    for (const child of node.getChildren("Interpolation")) {
      parts.push(ofText(Decoding.unescaped(code.slice(at, child.from))))
      const value =
        inner(child)
          .filter(({ name }) => !name.startsWith("Interpolation"))
          .map(visit)[0] ?? unknown
      parts.push(value.text === undefined && value.number === undefined ? ofText(gap, value) : value)
      at = child.to
    }
    parts.push(ofText(Decoding.unescaped(code.slice(at, Math.max(at, node.to - 1)))))
    return concat(...parts)
  }

  const binary = (node: SyntaxNode): Value => {
    const [left, operator, right] = childrenOf(node)
    if (left === undefined || operator === undefined || right === undefined) return visitAll(childrenOf(node))
    const [a, b] = [visit(left), visit(right)]
    const sign = textOf(operator)
    if (a.number !== undefined && b.number !== undefined) {
      if (sign === "+") return ofNumber(a.number + b.number)
      if (sign === "-") return ofNumber(a.number - b.number)
      if (sign === "^") return ofNumber(a.number ^ b.number)
      if (sign === "*") return ofNumber(a.number * b.number)
    }
    if (sign !== "+") return a.name !== undefined && (sign === "||" || sign === "??") ? a : ofSources(a, b)
    const sum = concat(a, b)
    if (sum.text !== undefined && node.parent?.name !== "BinaryExpression")
      listener.text({ text: sum.text, line: lineOf(node.from) })
    return sum
  }

  const isForever = (node: SyntaxNode) =>
    /^(while\s*\(\s*(true|1|!0)\s*\)|for\s*\([^;()]*;\s*(true|1)?\s*;[^;()]*\))/.test(textOf(node)) &&
    !/\b(break|return|throw|await)\b/.test(textOf(node))

  const functionOf = (node: SyntaxNode, name: string): Value => {
    const body = node.getChild("Block")
    if (
      name !== "" &&
      body !== null &&
      new RegExp(`\\b${name.replace(/[^\w]/g, ".")}\\s*\\(`).test(textOf(body))
    )
      recursive.add(name)
    const outer = loops
    // A function that stands in a loop as an argument is called there.
    if (name !== "") loops = 0
    within.push(name)
    const params = node.getChild("ParamList")
    for (const param of params === null ? [] : params.getChildren("VariableDefinition"))
      if (node.parent?.name !== "ArgList") variables.delete(textOf(param))
    visitAll(inner(node).filter((child) => child.name !== "VariableDefinition" && child.name !== "ParamList"))
    within.pop()
    loops = outer
    return name === "" ? unknown : ofName(`local:${name}`)
  }

  const importOf = (node: SyntaxNode) => {
    const specifier = node.getChild("String")
    if (specifier === null) return
    const module = moduleOf(textOf(specifier).slice(1, -1))
    const group = node.getChild("ImportGroup")
    for (const definition of node.getChildren("VariableDefinition"))
      variables.set(textOf(definition), ofName(module))
    if (group === null) return
    const names = childrenOf(group)
    for (const [index, child] of names.entries()) {
      if (child.name !== "VariableDefinition") continue
      const original = names[index - 1]?.name === "as" ? names[index - 2] : child
      variables.set(textOf(child), member(ofName(module), original === undefined ? "" : textOf(original)))
    }
  }

  const declare = (nodes: ReadonlyArray<SyntaxNode>) => {
    for (const [index, node] of nodes.entries()) {
      if (node.name !== "Equals") continue
      const before = nodes
        .slice(0, index)
        .reverse()
        .find(({ name }) => name !== "TypeAnnotation")
      const value = nodes[index + 1]
      if (before === undefined || value === undefined) continue
      const isFunction = value.name === "ArrowFunction" || value.name === "FunctionExpression"
      bind(before, isFunction ? functionOf(value, textOf(before)) : visit(value))
    }
  }

  const visit = (node: SyntaxNode): Value => {
    switch (node.name) {
      case "VariableName":
        return lookUp(textOf(node))
      case "this":
        return ofName("this")
      case "Number":
        return ofNumber(Number(textOf(node).replaceAll("_", "")))
      case "String": {
        const value = ofText(Decoding.unescaped(textOf(node).slice(1, -1)))
        if (value.text !== undefined) listener.text({ text: value.text, line: lineOf(node.from) })
        return value
      }
      case "TemplateString": {
        const value = templateOf(node)
        if (value.text !== undefined) listener.text({ text: value.text, line: lineOf(node.from) })
        return value
      }
      case "ParenthesizedExpression":
        return inner(node).map(visit).at(-1) ?? unknown
      case "SequenceExpression":
        return inner(node).map(visit).at(-1) ?? unknown
      case "AwaitExpression":
      case "UnaryExpression": {
        const nodes = childrenOf(node)
        const value = nodes.slice(1).map(visit).at(-1) ?? unknown
        return nodes[0] !== undefined && textOf(nodes[0]) === "-" && value.number !== undefined
          ? ofNumber(-value.number)
          : value
      }
      case "ArrayExpression":
        return { ...ofItems(inner(node).map(visit)), name: "[]" }
      case "ObjectExpression":
        return ofItems(
          node
            .getChildren("Property")
            .flatMap((property) => inner(property).slice(1))
            .map(visit)
        )
      case "DynamicImport": {
        const specifier = inner(node)
          .filter(({ name }) => name !== "import")
          .map(visit)[0]
        return specifier?.text === undefined ? unknown : ofName(moduleOf(specifier.text))
      }
      case "BinaryExpression":
        return binary(node)
      case "MemberExpression": {
        const [base, ...inside] = childrenOf(node)
        if (base === undefined) return unknown
        const key = inside.at(-1)
        return key?.name === "PropertyName"
          ? member(visit(base), textOf(key))
          : element(visit(base), inside.filter((child) => !isMark(child)).map(visit))
      }
      case "CallExpression":
      case "NewExpression": {
        if (node.firstChild?.name === "DynamicImport") return visit(node.firstChild)
        return callOf(node)
      }
      case "VariableDeclaration":
        declare(childrenOf(node))
        return unknown
      case "AssignmentExpression": {
        const [target, operator, value] = childrenOf(node)
        if (target === undefined || value === undefined || operator === undefined) return unknown
        const isFunction = value.name === "ArrowFunction" || value.name === "FunctionExpression"
        const known = isFunction ? functionOf(value, textOf(target).slice(0, 100)) : visit(value)
        const before = operator.name === "UpdateOp" ? visit(target) : undefined
        const result = before !== undefined && textOf(operator) === "+=" ? concat(before, known) : known
        if (target.name === "VariableName") bind(target, result)
        else if (target.name === "MemberExpression") {
          const name = visit(target).name
          if (name !== undefined) variables.set(name, result)
        }
        return result
      }
      case "FunctionDeclaration": {
        const definition = node.getChild("VariableDefinition")
        const name = definition === null ? "" : textOf(definition)
        if (name !== "") variables.set(name, ofName(`local:${name}`))
        return functionOf(node, name)
      }
      case "FunctionExpression":
      case "ArrowFunction": {
        const definition = node.getChild("VariableDefinition")
        return functionOf(node, definition === null ? "" : textOf(definition))
      }
      case "WhileStatement":
      case "ForStatement": {
        const forever = isForever(node) ? 1 : 0
        loops += forever
        visitAll(childrenOf(node))
        loops -= forever
        return unknown
      }
      case "ImportDeclaration":
        importOf(node)
        return unknown
      default:
        return visitAll(childrenOf(node))
    }
  }

  const isMarkup = /<\/|\/>/.test(code)
  visit((isMarkup ? typescript : typescriptAlone).parse(code).topNode)
}
