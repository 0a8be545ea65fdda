import type { SyntaxNode } from "@lezer/common"
import { childrenOf } from "../Children.js"
import { type Listener, lineCounter } from "../Facts.js"
import * as Surroundings from "../Surroundings.js"
import { ofName, ofSources, type Value } from "../Value.js"

/** What is known while a program is read, from its beginning to where its reader is. */
export interface Reader {
  readonly code: string
  readonly listener: Listener
  /** Values by the names that they were given, dotted ones too. */
  readonly variables: Map<string, Value>
  /** What the program's own functions return, by their names. */
  readonly returned: Map<string, Value>
  readonly surroundings: Surroundings.Surroundings
  /** How many rounds of comprehensions were followed. */
  rounds: number
  readonly textOf: (node: SyntaxNode) => string
  readonly lineOf: (node: SyntaxNode) => number
  readonly visit: (node: SyntaxNode) => Value
}

/** How a node of one name is read: tells what it does, and gives what is known of its value. */
export type Visit = (reader: Reader, node: SyntaxNode) => Value

export const make = (
  code: string,
  listener: Listener,
  visit: (reader: Reader, node: SyntaxNode) => Value
): Reader => {
  const lineAt = lineCounter(code)
  const reader: Reader = {
    code,
    listener,
    variables: new Map(),
    returned: new Map(),
    surroundings: Surroundings.make(),
    rounds: 0,
    textOf: ({ from, to }) => code.slice(from, to),
    lineOf: ({ from }) => lineAt(from),
    visit: (node) => visit(reader, node)
  }
  return reader
}

export const isMark = ({ name }: SyntaxNode) => !/\w/.test(name)
export const isNamed = (name: string) => (node: SyntaxNode) => node.name === name

/** A node's children, without punctuation. */
export const partsOf = (node: SyntaxNode): ReadonlyArray<SyntaxNode> =>
  childrenOf(node).filter((child) => !isMark(child))

export const visitAll = ({ visit }: Reader, nodes: ReadonlyArray<SyntaxNode>): Value =>
  ofSources(...nodes.map(visit))

export const tellText = ({ lineOf, listener }: Reader, { text }: Value, node: SyntaxNode): void => {
  if (text !== undefined) listener.text({ text, line: lineOf(node) })
}

export const lookUp = ({ variables }: Reader, name: string): Value => variables.get(name) ?? ofName(name)
