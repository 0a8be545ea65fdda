import { JSONSchema, Predicate, Record as Records, Schema, Struct } from "effect"
import { ExecutionRequest } from "./ExecutionRequest.js"
import { Language } from "./Language.js"

/** What agents know the tool by. */
export const executeCodeName = "execute_code"

/** For who decides whether to call the tool. */
export const executeCodeDescription =
  "Runs a program in a fresh, isolated sandbox with hard limits on time, memory, processes and output. Answers with " +
  "`success`, `stdout`, `stderr`, `exitCode`, a `verdict` on how it ended, and an `error` when it did not succeed. " +
  "Nothing is kept between two programs."

/** What an agent may say: who asks is not for it to say. */
const Arguments = Schema.Struct({
  ...Struct.omit(ExecutionRequest.fields, "userId", "idempotencyKey"),
  language: Schema.optional(Language)
})

const meanings: Record<keyof typeof Arguments.fields, string> = {
  code: "The program to run.",
  language: "What the program is written in; python unless told.",
  timeout: "Seconds of wall time after which the program is ended.",
  retryOnFailure: "Whether a program that may already have run may be run again after the sandbox failed.",
  files: "Files to put into the working directory before the program starts, by relative paths; 64 at most.",
  env: "The program's environment variables.",
  outputDir:
    "The directory, relative to the program's home, in which it leaves its artifacts; output unless told."
}

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
    properties: Records.map(properties, (property, name) => ({
      ...(plain(property) as object),
      description: meanings[name as keyof typeof meanings]
    })),
    required,
    additionalProperties: false
  }
}
