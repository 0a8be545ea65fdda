import { Predicate, Schema } from "effect"
import type { Fault } from "./Fault.js"
import { flawOfPath } from "./FileName.js"
import { FileId } from "./Upload.js"
import { UserId } from "./UserId.js"

const environmentName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** Half of a character of UTF-16 has no bytes in UTF-8. */
const Text = Schema.String.pipe(
  Schema.filter((text) => text.isWellFormed(), {
    message: () => "expected Unicode text, but it has half of a surrogate pair"
  })
)

/** What may be left out may also be null: many clients write every field that they know. */
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { nullable: true })

const RelativePath = Schema.String.pipe(
  Schema.filter((path) => flawOfPath(path) === undefined, {
    message: ({ actual }) => `expected a relative path of plain names: ${flawOfPath(String(actual))}`
  })
)

const base64 = /^[A-Za-z0-9+/\r\n]*(?:=[\r\n]*){0,2}$/

/** Counts the letters without making a text of them, which may be broken into very many lines. */
const isBase64 = (text: string) => {
  if (!base64.test(text)) return false
  let letters = 0
  for (const character of text) if (character > "\r") letters++
  return letters % 4 === 0
}

const contentFlaw = ({ content, encoding, fileId }: typeof InputFileFields.Type) => {
  if (content === undefined && fileId === undefined)
    return { path: ["content"], message: "is missing: expected the file's content, or a fileId instead" }
  if (content !== undefined && fileId !== undefined)
    return { path: ["fileId"], message: "expected none, since there is content" }
  return content === undefined || encoding === "utf8" || isBase64(content)
    ? undefined
    : { path: ["content"], message: "expected base64" }
}

const InputFileFields = Schema.Struct({
  path: RelativePath,
  /** Either this or a `fileId`. */
  content: optional(Text),
  encoding: Schema.optionalWith(Schema.Literal("utf8", "base64"), { nullable: true, default: () => "utf8" }),
  /** A file of the same user that was sent before and is still kept. */
  fileId: optional(FileId)
})

/** A file to put in the working directory before the program starts. */
export const InputFile = InputFileFields.pipe(Schema.filter(contentFlaw))
export type InputFile = typeof InputFile.Type

const InputFiles = Schema.Array(InputFile).annotations({ description: "an array of files" })

/** Together with their names, the variables travel in one of Linux's 128 KiB strings. */
const environmentCharacters = 32_768
/** As many as find room there with names that can be told apart. */
const mostVariables = 4096

const charactersOf = (variables: Readonly<Record<string, string>>) =>
  Object.entries(variables).reduce((sum, [name, value]) => sum + name.length + value.length + 2, 0)

const EnvironmentVariables = Schema.Record({
  key: Schema.String.pipe(
    // An object of JavaScript has no such member of its own.
    Schema.filter((name) => environmentName.test(name) && name !== "__proto__", {
      message: () => "expected a name of letters, digits and _ that does not begin with a digit"
    })
  ),
  value: Text.pipe(
    Schema.filter((value) => !value.includes("\0"), { message: () => "expected text without NUL" })
  )
})
  .annotations({ description: "an object of strings" })
  .pipe(
    Schema.filter((variables) => charactersOf(variables) <= environmentCharacters, {
      message: () => `expected at most ${environmentCharacters} characters in all`
    })
  )

const excess = (field: string, most: number, things: string, found: number): Fault => ({
  field,
  message: `${field}: expected at most ${most} ${things}, got ${found}`
})

/**
 * What a request has more of than it may have: files, of which the limits allow so many, or variables. Looks at none of
 * them, however many there are.
 */
export const excessIn = (request: unknown, mostFiles: number): Fault | undefined => {
  if (!Predicate.isReadonlyRecord(request)) return undefined
  const files = Array.isArray(request.files) ? request.files.length : 0
  if (files > mostFiles) return excess("files", mostFiles, "files", files)
  const variables = Predicate.isReadonlyRecord(request.env) ? Object.keys(request.env).length : 0
  return variables > mostVariables ? excess("env", mostVariables, "variables", variables) : undefined
}

/** Where a program leaves its artifacts unless its request says otherwise; relative to its home. */
export const defaultOutputDir = "output"

/** What a caller asks to have run. */
export const ExecutionRequest = Schema.Struct({
  code: Text.pipe(Schema.minLength(1, { message: () => "expected a program, got an empty string" })),
  /** One of the languages the sandbox's toolchain has; python unless told. */
  language: Schema.optionalWith(Schema.String, { nullable: true, default: () => "python" }),
  /** Seconds of wall time; the limits' default unless told, at most the limits' maximum. */
  timeout: optional(
    Schema.Number.pipe(
      Schema.filter((seconds) => Number.isFinite(seconds) && seconds > 0, {
        message: () => "expected a positive number of seconds"
      })
    )
  ),
  /** Whether code that may already have run may be run again after the infrastructure failed. */
  retryOnFailure: Schema.optionalWith(Schema.Boolean, { nullable: true, default: () => false }),
  userId: optional(UserId),
  files: Schema.optionalWith(InputFiles, { nullable: true, default: () => [] }),
  env: Schema.optionalWith(EnvironmentVariables, { nullable: true, default: () => ({}) }),
  /** Where the program leaves its artifacts, in its home: `$SANDBOX_OUTPUT_DIR`; `output` unless told. */
  outputDir: optional(RelativePath),
  /**
   * Names this request among the user's: the same key gives the same result and never a second run. An execution with a
   * key goes on when its caller goes away, who can then ask for its result with the same key.
   */
  idempotencyKey: optional(
    Schema.String.pipe(
      Schema.pattern(/^[\x21-\x7e]{1,255}$/, {
        message: () => "expected 1 to 255 printable ASCII characters without spaces"
      })
    )
  )
})
export type ExecutionRequest = typeof ExecutionRequest.Type
/** A request as it is written, defaults left out. */
export type ExecutionRequestInput = typeof ExecutionRequest.Encoded
