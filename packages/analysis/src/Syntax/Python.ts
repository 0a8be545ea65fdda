import type { SyntaxNode } from "@lezer/common"
import { parser } from "@lezer/python"
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

const isMark = ({ name }: SyntaxNode) => !/\w/.test(name)
const isWord = (word: string) => (node: SyntaxNode) => node.name === word

/** As many rounds as a comprehension is followed. */
const mostRounds = 20_000

const text1 =
  (decoder: Decoding.Decoder) =>
  (_: Value, [first]: ReadonlyArray<Value>) =>
    first?.text === undefined ? undefined : decoder(first.text)

const text0 = (decoder: Decoding.Decoder) => (self: Value) =>
  self.text === undefined ? undefined : decoder(self.text)

const codecs: Readonly<Record<string, Decoding.Decoder>> = {
  hex: Decoding.hex,
  hex_codec: Decoding.hex,
  base64: Decoding.base64,
  base64_codec: Decoding.base64,
  rot13: Decoding.rot13,
  rot_13: Decoding.rot13,
  zlib: Decoding.zlib
}

type Fold = (self: Value, args: ReadonlyArray<Value>) => string | undefined

const bytesOf = ({ items, text }: Value) =>
  text ??
  (items?.every(({ number }) => number !== undefined && number >= 0 && number < 0x11_00_00)
    ? items.map(({ number = 0 }) => String.fromCodePoint(number)).join("")
    : undefined)

/** Calls of functions whose result is known where what they are given is. */
const functions: Readonly<Record<string, Fold>> = {
  "base64.b64decode": text1(Decoding.base64),
  "base64.decodebytes": text1(Decoding.base64),
  "base64.standard_b64decode": text1(Decoding.base64),
  "base64.urlsafe_b64decode": text1(Decoding.base64),
  "base64.b32decode": text1(Decoding.base32),
  "base64.b16decode": text1(Decoding.hex),
  "binascii.a2b_base64": text1(Decoding.base64),
  "binascii.unhexlify": text1(Decoding.hex),
  "binascii.a2b_hex": text1(Decoding.hex),
  "bytes.fromhex": text1(Decoding.hex),
  "bytearray.fromhex": text1(Decoding.hex),
  "zlib.decompress": text1(Decoding.zlib),
  "gzip.decompress": text1(Decoding.gzip),
  "urllib.parse.unquote": text1(Decoding.percent),
  "os.path.expanduser": text1((text) => text),
  "os.path.join": (_, parts) =>
    parts.some(({ text }) => text !== undefined) ? parts.map(asText).join("/") : undefined,
  "pathlib.Path": text1((text) => text),
  "codecs.decode": (_, [data, codec]) =>
    data?.text === undefined ? undefined : (codecs[codec?.text ?? ""] ?? Decoding.utf8)(data.text),
  chr: (_, [code]) => (code === undefined ? undefined : bytesOf(ofItems([code]))),
  bytes: (_, [data]) => (data === undefined ? undefined : bytesOf(data)),
  bytearray: (_, [data]) => (data === undefined ? undefined : bytesOf(data)),
  str: (_, [data, codec]) =>
    data?.text === undefined ? undefined : codec === undefined ? data.text : Decoding.utf8(data.text)
}

/** The same of texts' own methods. */
const methods: Readonly<Record<string, Fold>> = {
  decode: (self, [codec]) =>
    self.text === undefined ? undefined : (codecs[codec?.text ?? ""] ?? Decoding.utf8)(self.text),
  encode: text0((text) => text),
  lower: text0((text) => text.toLowerCase()),
  upper: text0((text) => text.toUpperCase()),
  strip: text0((text) => text.trim()),
  replace: ({ text }, [from, to]) =>
    text === undefined || !from?.text || to?.text === undefined
      ? undefined
      : text.replaceAll(from.text, () => to.text ?? ""),
  join: (self, [parts]) =>
    parts?.items === undefined || self.text === undefined
      ? undefined
      : parts.items.map(asText).join(self.text),
  format: ({ text }, args) => {
    let next = 0
    return text?.replaceAll(/\{(\d*)[^{}]*\}/g, (_, index: string) =>
      asText(args[index === "" ? next++ : Number(index)] ?? unknown)
    )
  }
}

const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "^": (a, b) => a ^ b,
  "|": (a, b) => a | b,
  "&": (a, b) => a & b,
  "<<": (a, b) => a << b,
  ">>": (a, b) => a >> b,
  "%": (a, b) => a % b
}

/** What has all that is there under its own name. */
const namespaces = new Set([
  "__builtins__",
  "__builtins__.__dict__",
  "builtins",
  "builtins.__dict__",
  "globals()",
  "locals()",
  "vars()",
  "sys.modules"
])

const isText = (name: string) => name === "String" || name === "FormatString" || name === "ContinuedString"

/** Reads a program, and tells what it does. */
export const read = (code: string, listener: Listener): void => {
  const lineOf = lineCounter(code)
  const variables = new Map<string, Value>()
  const returned = new Map<string, Value>()
  const within: Array<string> = []
  let loops = 0
  let rounds = 0

  const textOf = ({ from, to }: SyntaxNode) => code.slice(from, to)
  const visitAll = (nodes: ReadonlyArray<SyntaxNode>) => ofSources(...nodes.map(visit))

  const assign = (target: SyntaxNode | undefined, value: Value): void => {
    if (target === undefined) return
    if (target.name === "VariableName") variables.set(textOf(target), value)
    else if (target.name === "TupleExpression" || target.name === "ArrayExpression")
      assignEach(
        childrenOf(target).filter((node) => !isMark(node)),
        value
      )
    else if (target.name === "MemberExpression") {
      const name = visit(target).name
      if (name !== undefined) variables.set(name, value)
    }
  }

  const assignEach = (targets: ReadonlyArray<SyntaxNode>, value: Value) => {
    for (const [index, target] of targets.entries())
      assign(target, value.items === undefined ? ofSources(value) : (value.items[index] ?? unknown))
  }

  const lookUp = (name: string): Value => variables.get(name) ?? ofName(name)

  const member = (base: Value, key: string): Value => {
    const name = base.name === undefined ? undefined : memberName(base.name, key)
    if (name === undefined) return { ...ofSources(base) }
    return variables.get(name) ?? ofName(name, base)
  }

  const memberName = (base: string, key: string) =>
    key === "__dict__"
      ? `${base}.__dict__`
      : namespaces.has(base)
        ? (variables.get(key)?.name ?? key)
        : base.endsWith(".__dict__") || base.endsWith(".__globals__")
          ? `${base.slice(0, base.lastIndexOf("."))}.${key}`
          : `${base}.${key}`

  const subscript = (base: Value, inside: ReadonlyArray<SyntaxNode>): Value => {
    const isSlice = inside.some(isWord(":"))
    const keys = inside.filter((node) => !isMark(node)).map(visit)
    const last = keys.at(-1)
    if (isSlice) {
      const isReversal = last?.number === -1 && base.text !== undefined && keys.length === 1
      return isReversal ? ofText(Decoding.reversed(base.text) ?? "", base) : base
    }
    if (last?.text !== undefined && base.name !== undefined) return member(base, last.text)
    if (last?.number !== undefined && base.items !== undefined) return base.items.at(last.number) ?? unknown
    if (last?.number !== undefined && base.text !== undefined)
      return ofText(base.text.at(last.number) ?? "", base)
    return { ...ofSources(base, ...keys), ...(base.name !== undefined && { name: `${base.name}[]` }) }
  }

  const placesOf = (name: string): ReadonlySet<Place> => {
    const places = new Set<Place>()
    if (loops > 0) places.add("endless-loop")
    if (within.some((own) => variables.get(own)?.name === name)) places.add("recursion")
    // What forks in a function that calls itself forks without an end.
    if (within.some((own) => recursive.has(own))) places.add("recursion")
    return places
  }
  const recursive = new Set<string>()

  const callOf = (node: SyntaxNode): Value => {
    const [callee, list] = childrenOf(node)
    if (callee === undefined) return unknown
    const self = callee.name === "MemberExpression" && callee.firstChild ? visit(callee.firstChild) : unknown
    const parts = childrenOf(callee)
    const method = callee.name === "MemberExpression" ? parts.at(-1) : undefined
    const isDotted = method?.name === "PropertyName"
    const target = isDotted ? member(self, textOf(method)) : visitCallee(callee, self)
    const args = list === undefined ? [] : argumentsOf(list)
    const name = target.name ?? ""
    const line = lineOf(node.from)
    const indirect = indirectly(name, args)
    if (indirect !== undefined) return indirect
    if (name !== "") listener.call({ name, args, self, line, places: placesOf(name) })
    const fold = Object.hasOwn(functions, name)
      ? functions[name]
      : isDotted && Object.hasOwn(methods, textOf(method))
        ? methods[textOf(method)]
        : undefined
    const folded = fold?.(self, args)
    const named = args.map((arg) => (arg.name?.includes(".") ? madeBy(arg, arg.name) : arg))
    const from = [target, self, ...named, returned.get(name) ?? unknown]
    if (folded !== undefined) {
      const value = madeBy(ofText(folded, ...from), name)
      if (value.text !== undefined && value.text.length > 1) listener.text({ text: value.text, line })
      return value
    }
    const made = { ...ofSources(...from), name: `${name}()` }
    if (name === "map" && args[0]?.name === "chr" && args[1]?.items !== undefined)
      return {
        ...madeBy(made, "chr"),
        items: args[1].items.map((item) => madeBy(ofText(bytesOf(ofItems([item])) ?? gap), "chr"))
      }
    if ((name === "list" || name === "tuple" || name === "reversed") && args[0] !== undefined)
      return name === "reversed" ? reverse(args[0]) : args[0]
    return name === "" ? made : madeBy(made, name)
  }

  const reverse = (value: Value): Value =>
    value.text !== undefined
      ? ofItems([...value.text].reverse().map((each) => ofText(each)))
      : value.items !== undefined
        ? ofItems([...value.items].reverse())
        : value

  const visitCallee = (callee: SyntaxNode, self: Value): Value =>
    callee.name === "MemberExpression" ? subscript(self, childrenOf(callee).slice(1)) : visit(callee)

  /** What a name that is looked up in a program's own way stands for. */
  const indirectly = (name: string, args: ReadonlyArray<Value>): Value | undefined => {
    const [first, second] = args
    if (name === "getattr" && first?.name !== undefined && second?.text !== undefined)
      return member(first, second.text)
    if ((name === "__import__" || name === "importlib.import_module") && first?.text !== undefined)
      return ofName(
        name === "__import__" && second === undefined ? (first.text.split(".")[0] ?? "") : first.text
      )
    if (name.endsWith(".__getattribute__") && first?.text !== undefined)
      return member(ofName(name.slice(0, -".__getattribute__".length)), first.text)
    if (
      name.endsWith(".get") &&
      /^(__builtins__|globals\(\)|vars\(\)|sys\.modules|.*\.__dict__)\.get$/.test(name) &&
      first?.text !== undefined
    )
      return member(ofName(name.slice(0, -4)), first.text)
    return undefined
  }

  const argumentsOf = (list: SyntaxNode): ReadonlyArray<Value> => {
    const nodes = childrenOf(list)
    if (nodes.some(isWord("for"))) return [comprehension(nodes)]
    return nodes
      .filter(
        (node, index) => !isMark(node) && node.name !== "AssignOp" && nodes[index + 1]?.name !== "AssignOp"
      )
      .map(visit)
  }

  const comprehension = (nodes: ReadonlyArray<SyntaxNode>): Value => {
    const at = nodes.findIndex(isWord("for"))
    const inAt = nodes.findIndex(isWord("in"))
    const [element, target, source] = [nodes[at - 1], nodes[at + 1], nodes[inAt + 1]]
    if (element === undefined || source === undefined) return visitAll(nodes)
    const over = visit(source)
    const items = over.items ?? (over.text === undefined ? [] : [...over.text].map((each) => ofText(each)))
    const rest = nodes.slice(inAt + 2)
    if (
      items.length === 0 ||
      rest.some(isWord("for")) ||
      rest.some(isWord("if")) ||
      rounds + items.length > mostRounds
    ) {
      assign(target, ofSources(over))
      return ofSources(visit(element), over, visitAll(rest))
    }
    rounds += items.length
    // Only what is made of characters and numbers is worth following item by item.
    return ofItems(
      items.map((item) => {
        assign(target, item)
        return visit(element)
      })
    )
  }

  const stringOf = (node: SyntaxNode): Value => {
    if (node.name === "ContinuedString") return concat(...childrenOf(node).map(stringOf))
    const written = textOf(node)
    const [, prefix = "", quote = ""] = /^([a-z]{0,2})("""|'''|"|')/i.exec(written) ?? []
    const isRaw = /r/i.test(prefix)
    const plain = (text: string) => (isRaw ? text : Decoding.unescaped(text))
    const start = node.from + prefix.length + quote.length
    const end = Math.max(start, node.to - (written.endsWith(quote) ? quote.length : 0))
    const replacements = childrenOf(node).filter(isWord("FormatReplacement"))
    if (replacements.length === 0) return ofText(plain(code.slice(start, end)))
    const parts: Array<Value> = []
    let at = start
    for (const replacement of replacements) {
      parts.push(ofText(plain(code.slice(at, replacement.from))))
      parts.push(ofText(...([asText(visitAllLast(replacement))] as const)))
      at = replacement.to
    }
    return concat(...parts, ofText(plain(code.slice(at, end))))
  }

  const visitAllLast = (node: SyntaxNode) =>
    childrenOf(node)
      .filter((child) => !isMark(child))
      .map(visit)[0] ?? unknown

  const binary = (node: SyntaxNode): Value => {
    const [left, operator, right] = childrenOf(node)
    if (left === undefined || operator === undefined || right === undefined) return visitAll(childrenOf(node))
    const [a, b] = [visit(left), visit(right)]
    const sign = textOf(operator)
    if (a.number !== undefined && b.number !== undefined && Object.hasOwn(arithmetic, sign))
      return ofNumber(arithmetic[sign]?.(a.number, b.number) ?? Number.NaN)
    if (sign === "+") {
      if (a.items !== undefined && b.items !== undefined) return ofItems([...a.items, ...b.items])
      const sum = concat(a, b)
      if (sum.text !== undefined && node.parent?.name !== "BinaryExpression")
        listener.text({ text: sum.text, line: lineOf(node.from) })
      return sum
    }
    if (sign === "%" && a.text !== undefined) {
      const given = b.items ?? [b]
      let next = 0
      return ofText(
        a.text.replaceAll(/%[sdrx]/g, () => asText(given[next++] ?? unknown)),
        a,
        b
      )
    }
    if (sign === "*" && a.text !== undefined && b.number !== undefined && a.text.length * b.number < 65_536)
      return ofText(a.text.repeat(Math.max(0, Math.trunc(b.number))), a)
    return ofSources(a, b)
  }

  const isForever = (node: SyntaxNode) => {
    const [, condition] = childrenOf(node)
    const body = textOf(node)
    return (
      condition !== undefined &&
      /^\(*(True|1|not False|1 *== *1)\)*$/.test(textOf(condition)) &&
      !/\b(break|return|raise|waitpid|wait)\b/.test(body)
    )
  }

  const importFrom = (nodes: ReadonlyArray<SyntaxNode>) => {
    const at = nodes.findIndex(isWord("import"))
    const module = nodes.slice(1, at).map(textOf).join("")
    const names = nodes.slice(at + 1)
    for (const [index, node] of names.entries()) {
      if (node.name !== "VariableName" || names[index - 1]?.name === "as") continue
      const alias = names[index + 1]?.name === "as" ? names[index + 2] : node
      assign(alias, ofName(`${module}.${textOf(node)}`))
    }
  }

  const importModules = (nodes: ReadonlyArray<SyntaxNode>) => {
    const words = nodes.slice(1)
    let path = ""
    for (const [index, node] of words.entries()) {
      if (node.name === "as") assign(words[index + 1], ofName(path))
      if (node.name === "," || node.name === "as") path = node.name === "," ? "" : path
      else if (words[index - 1]?.name !== "as") path += textOf(node)
    }
  }

  const defineFunction = (node: SyntaxNode) => {
    const name = node.getChild("VariableName")
    const own = name === null ? "" : textOf(name)
    const isMethod = node.parent?.parent?.name === "ClassDefinition"
    const local = `local:${own}`
    if (!isMethod && own !== "") variables.set(own, ofName(local))
    const body = node.getChild("Body")
    if (
      !isMethod &&
      own !== "" &&
      body !== null &&
      new RegExp(`\\b${own.replace(/[^\w]/g, ".")}\\s*\\(`).test(textOf(body))
    )
      recursive.add(own)
    const params = node.getChild("ParamList")
    for (const param of params === null ? [] : childrenOf(params))
      if (param.name === "VariableName") variables.delete(textOf(param))
    within.push(own)
    const [outer, before] = [loops, returned.get(local)]
    loops = 0
    if (before === undefined) returned.set(local, unknown)
    visitAll(childrenOf(node).filter((child) => child.name !== "VariableName"))
    loops = outer
    within.pop()
    return unknown
  }

  const visit = (node: SyntaxNode): Value => {
    switch (node.name) {
      case "VariableName":
        return lookUp(textOf(node))
      case "Number":
        return ofNumber(Number(textOf(node).replaceAll("_", "")))
      case "String":
      case "FormatString":
      case "ContinuedString": {
        const value = stringOf(node)
        const isDocumentation = node.parent?.name === "ExpressionStatement"
        if (value.text !== undefined && !isDocumentation)
          listener.text({ text: value.text, line: lineOf(node.from) })
        return value
      }
      case "ParenthesizedExpression":
      case "AwaitExpression": {
        const inner = childrenOf(node).filter((child) => !isMark(child) && child.name !== "await")
        return inner[0] === undefined ? unknown : visit(inner[0])
      }
      case "ArrayExpression":
      case "TupleExpression":
      case "SetExpression":
        return ofItems(
          childrenOf(node)
            .filter((child) => !isMark(child))
            .map(visit)
        )
      case "DictionaryExpression":
        return ofItems(
          childrenOf(node)
            .filter((child) => !isMark(child))
            .map(visit)
        )
      case "ArrayComprehensionExpression":
      case "ComprehensionExpression":
        return comprehension(childrenOf(node).filter(({ name }) => !/^[[\]()]$/.test(name)))
      case "UnaryExpression": {
        const value = visitAllLast(node)
        const last = node.lastChild === null ? unknown : value
        const operand = childrenOf(node).at(-1)
        const number = operand?.name === "Number" ? Number(textOf(operand)) : last.number
        return number !== undefined && textOf(node).startsWith("-") ? ofNumber(-number) : last
      }
      case "BinaryExpression":
        return binary(node)
      case "MemberExpression": {
        const [base, ...inside] = childrenOf(node)
        if (base === undefined) return unknown
        const key = inside.at(-1)
        return key?.name === "PropertyName"
          ? member(visit(base), textOf(key))
          : subscript(visit(base), inside)
      }
      case "CallExpression":
        return callOf(node)
      case "NamedExpression": {
        const [target, , value] = childrenOf(node)
        const known = value === undefined ? unknown : visit(value)
        assign(target, known)
        return known
      }
      case "AssignStatement": {
        const groups: Array<Array<SyntaxNode>> = [[]]
        for (const child of childrenOf(node)) {
          if (child.name === "AssignOp") groups.push([])
          else if (child.name !== "TypeDef" && !isMark(child)) groups.at(-1)?.push(child)
        }
        const values = (groups.pop() ?? []).map(visit)
        const value = values.length === 1 ? (values[0] ?? unknown) : ofItems(values)
        for (const targets of groups) {
          if (targets.length === 1) assign(targets[0], value)
          else assignEach(targets, value)
        }
        return value
      }
      case "UpdateStatement": {
        const [target, , value] = childrenOf(node)
        if (target === undefined || value === undefined) return unknown
        const sum = concat(visit(target), visit(value))
        assign(target, sum)
        return sum
      }
      case "ForStatement": {
        const nodes = childrenOf(node)
        const source = nodes[nodes.findIndex(isWord("in")) + 1]
        const over = source === undefined ? unknown : visit(source)
        assign(nodes.find(isWord("VariableName")), over.items?.[0] ?? ofSources(over))
        const forever = over.name === "itertools.count()"
        loops += forever ? 1 : 0
        for (const body of nodes.filter(isWord("Body"))) visit(body)
        loops -= forever ? 1 : 0
        return unknown
      }
      case "WhileStatement": {
        const forever = isForever(node)
        loops += forever ? 1 : 0
        visitAll(childrenOf(node))
        loops -= forever ? 1 : 0
        return unknown
      }
      case "WithStatement": {
        const nodes = childrenOf(node)
        const values = nodes.map((child, index) =>
          nodes[index - 1]?.name === "as" || child.name === "Body" ? unknown : visit(child)
        )
        for (const [index, child] of nodes.entries())
          if (child.name === "as") assign(nodes[index + 1], values[index - 1] ?? unknown)
        for (const body of nodes.filter(isWord("Body"))) visit(body)
        return unknown
      }
      case "FunctionDefinition":
        return defineFunction(node)
      case "ReturnStatement": {
        const value = visitAll(childrenOf(node))
        const own = within.at(-1)
        if (own !== undefined)
          returned.set(`local:${own}`, ofSources(returned.get(`local:${own}`) ?? unknown, value))
        return value
      }
      case "ImportStatement": {
        const nodes = childrenOf(node)
        if (nodes[0]?.name === "from") importFrom(nodes)
        else importModules(nodes)
        return unknown
      }
      default:
        return isText(node.name) ? stringOf(node) : visitAll(childrenOf(node))
    }
  }

  visit(parser.parse(code).topNode)
}
