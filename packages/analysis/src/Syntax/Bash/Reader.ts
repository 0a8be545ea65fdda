import type { SyntaxNode } from "unbash"
import { type Analysed, type Listener, lineCounter } from "../Facts.js"
import * as Surroundings from "../Surroundings.js"
import { concat, ofText, unknown, type Value } from "../Value.js"

/** A program within a program, as it is found. */
export type HearInner = (code: string, language: Analysed, line: number) => void

/** What is known while a program is read, from its beginning to where its reader is. */
export interface Reader {
  readonly listener: Listener
  readonly hearInner: HearInner
  readonly variables: Map<string, Value>
  /** The names of the program's own functions. */
  readonly functions: Set<string>
  readonly surroundings: Surroundings.Surroundings
  readonly textOf: (node: { readonly pos: number; readonly end: number }) => string
  readonly lineOf: (node: { readonly pos: number }) => number
  /** What a node prints; `piped` is what is piped into it. */
  readonly visit: (node: SyntaxNode, piped?: Value) => Value
}

type NodeOf<Type> = Extract<SyntaxNode, { readonly type: Type }>

/** How a node of one type is read: tells what it does, and gives what is known of its output. */
export type Visit<Type = SyntaxNode["type"]> = (reader: Reader, node: NodeOf<Type>, piped: Value) => Value

export const make = (
  code: string,
  listener: Listener,
  hearInner: HearInner,
  visit: (reader: Reader, node: SyntaxNode, piped: Value) => Value
): Reader => {
  const lineAt = lineCounter(code)
  const reader: Reader = {
    listener,
    hearInner,
    variables: new Map([["0", ofText("$0")]]),
    functions: new Set(),
    surroundings: Surroundings.make(),
    textOf: ({ end, pos }) => code.slice(pos, end),
    lineOf: ({ pos }) => lineAt(pos),
    visit: (node, piped = unknown) => visit(reader, node, piped)
  }
  return reader
}

/** One output after the other. */
const inOrder = (values: ReadonlyArray<Value>): Value => {
  const [first = unknown, ...others] = values
  return others.length === 0 ? first : concat(first, ...others)
}

export const visitAll = ({ visit }: Reader, nodes: ReadonlyArray<SyntaxNode>): Value =>
  inOrder(nodes.map((node) => visit(node)))
