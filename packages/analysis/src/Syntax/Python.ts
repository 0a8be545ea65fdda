import { parser } from "@lezer/python"
import { childrenOf } from "./Children.js"
import type { Listener } from "./Facts.js"
import { expressions } from "./Python/Expressions.js"
import * as Reader from "./Python/Reader.js"
import { statements } from "./Python/Statements.js"

const visits: ReadonlyMap<string, Reader.Visit> = new Map(Object.entries({ ...expressions, ...statements }))

const visitChildren: Reader.Visit = (reader, node) => Reader.visitAll(reader, childrenOf(node))

const visit: Reader.Visit = (reader, node) => (visits.get(node.name) ?? visitChildren)(reader, node)

/** Reads a program, and tells what it does. */
export const read = (code: string, listener: Listener): void => {
  Reader.make(code, listener, visit).visit(parser.parse(code).topNode)
}
