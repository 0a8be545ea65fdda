import type { ToolParameters } from "@bulkhead/domain"
import { Predicate, Record as Records } from "effect"

type Node = { readonly [key: string]: unknown }

/** What OpenAI's strict mode does not know. */
const unknownWords = new Set(["default", "examples", "maxLength", "minLength", "title"])

const isNullable = ({ anyOf }: Node) =>
  Array.isArray(anyOf) && anyOf.some((each) => Predicate.isReadonlyRecord(each) && each.type === "null")

/** Strict mode has no optional members, so those are null where nothing is said. */
const nullable = (node: Node): Node => {
  if (isNullable(node)) return node
  const { description, ...rest } = node
  return { anyOf: [rest, { type: "null" }], ...(description === undefined ? {} : { description }) }
}

/** Nor has it objects with any names, so those are lists of names and values. */
const listOf = (value: unknown): Node => ({
  type: "array",
  items: {
    type: "object",
    properties: { name: { type: "string" }, value: strict(value) },
    required: ["name", "value"],
    additionalProperties: false
  }
})

const object = (node: Node, properties: Node): Node => {
  const required = Array.isArray(node.required) ? node.required : []
  return {
    ...node,
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, property]) => {
        const inner = strict(property) as Node
        return [name, required.includes(name) ? inner : nullable(inner)]
      })
    ),
    required: Object.keys(properties),
    additionalProperties: false
  }
}

const strict = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(strict)
  if (!Predicate.isReadonlyRecord(node)) return node
  const known = Records.filter(node, (_, word) => !unknownWords.has(word))
  if (Predicate.isReadonlyRecord(known.properties)) return object(known, known.properties)
  if (Predicate.isReadonlyRecord(known.additionalProperties)) return listOf(known.additionalProperties)
  return Records.map(known, strict)
}

/** The parameters as OpenAI's strict mode takes them: all are required, and what may be left out may be null. */
export const of = (parameters: ToolParameters): ToolParameters => strict(parameters) as ToolParameters
