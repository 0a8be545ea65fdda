import type { SyntaxNode } from "@lezer/common"
import { ofItems, ofSources, ofText, type Value } from "../Value.js"
import { assign } from "./Names.js"
import { isNamed, type Reader, visitAll } from "./Reader.js"

/** As many rounds as all comprehensions of a program are followed. */
const mostRounds = 20_000

const itemsOf = ({ items, text = "" }: Value): ReadonlyArray<Value> =>
  items ?? [...text].map((letter) => ofText(letter))

/** Reads what stands within the brackets; item by item where those are known, since texts are decoded so. */
export const comprehension = (reader: Reader, nodes: ReadonlyArray<SyntaxNode>): Value => {
  const forAt = nodes.findIndex(isNamed("for"))
  const inAt = nodes.findIndex(isNamed("in"))
  const [element, target, source] = [nodes[forAt - 1], nodes[forAt + 1], nodes[inAt + 1]]
  if (element === undefined || source === undefined) return visitAll(reader, nodes)
  const over = reader.visit(source)
  const items = itemsOf(over)
  const rest = nodes.slice(inAt + 2)
  const isSimple = !rest.some(({ name }) => name === "for" || name === "if")
  if (items.length === 0 || !isSimple || reader.rounds + items.length > mostRounds) {
    assign(reader, target, ofSources(over))
    return ofSources(reader.visit(element), over, visitAll(reader, rest))
  }
  reader.rounds += items.length
  return ofItems(
    items.map((item) => {
      assign(reader, target, item)
      return reader.visit(element)
    })
  )
}
