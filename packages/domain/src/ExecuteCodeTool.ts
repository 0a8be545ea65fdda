import { JSONSchema, Predicate, Record as Records, Schema, Struct } from "effect"
import { ExecutionRequest } from "./ExecutionRequest.js"
import { NamedSecrets } from "./Secret.js"

/** What agents know the tool by. */
export const executeCodeName = "execute_code"

/** For who decides whether to call the tool. */
export const executeCodeDescription =
  "Runs a program in a fresh, isolated sandbox with hard limits on time, memory, processes and output. Answers with " +
  "`success`, `stdout`, `stderr`, `exitCode`, a `verdict` on how it ended, and an `error` when it did not succeed. " +
  "Nothing is kept between two programs."

/** What an agent may say: who asks, who is told of the end, and what a secret is, is not for it to say. */
const Arguments = Schema.Struct({
  ...Struct.omit(ExecutionRequest.fields, "userId", "idempotencyKey", "webhook"),
  secrets: Schema.optionalWith(NamedSecrets, { nullable: true }).annotations({
    description:
      "Secrets that the operator keeps, by the names of environment variables. The program finds a placeholder there and uses it like the secret, in headers to the secret's hosts.",
    examples: [{ OPENAI_API_KEY: { name: "openai" } }]
  }),
  language: Schema.optional(
    Schema.String.annotations({
      description:
        "What the program is written in: python, javascript, typescript, bash, or a language that the image adds; python unless told.",
      examples: ["python", "bash"]
    })
  )
})

/** JSON Schema of a tool's arguments. */
export type ToolParameters = {
  type: "object"
  properties: Record<string, object>
  required: Array<string>
  additionalProperties: boolean
}

/** Says an object of texts as everyone understands it, and leaves out titles that only repeat a bound. */
const plain = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(plain)
  if (!Predicate.isReadonlyRecord(node)) return node
  const { patternProperties, propertyNames, title, ...rest } = node
  if (!Predicate.isReadonlyRecord(patternProperties)) return Records.map(rest, plain)
  return { type: "object", additionalProperties: plain(patternProperties[""]) }
}

/** What the tool takes, as JSON Schema. Every field but `code` may be left out or be null. */
export const executeCodeParameters = (): ToolParameters => {
  const { properties, required } = JSONSchema.make(Arguments) as JSONSchema.JsonSchema7Object
  return {
    type: "object",
    properties: Records.map(properties, (property) => plain(property) as object),
    required,
    additionalProperties: false
  }
}
