import { parser } from "@lezer/javascript"
import { childrenOf } from "./Children.js"
import type { Listener } from "./Facts.js"
import { expressions } from "./JavaScript/Expressions.js"
import * as Reader from "./JavaScript/Reader.js"
import { statements } from "./JavaScript/Statements.js"

const typescript = parser.configure({ dialect: "ts" })
const withMarkup = parser.configure({ dialect: "ts jsx" })

const visits: ReadonlyMap<string, Reader.Visit> = new Map(Object.entries({ ...expressions, ...statements }))

const visitChildren: Reader.Visit = (reader, node) => Reader.visitAll(reader, childrenOf(node))

const visit: Reader.Visit = (reader, node) => (visits.get(node.name) ?? visitChildren)(reader, node)

/** Reads a program, in TypeScript too, and tells what it does. */
export const read = (code: string, listener: Listener): void => {
  const hasMarkup = /<\/|\/>/.test(code)
  Reader.make(code, listener, visit).visit((hasMarkup ? withMarkup : typescript).parse(code).topNode)
}
