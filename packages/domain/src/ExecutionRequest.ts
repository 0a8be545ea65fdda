import { Either, Encoding, Schema } from "effect"
import { flawOfPath } from "./FileName.js"
import { UserId } from "./UserId.js"

const environmentName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

const RelativePath = Schema.String.pipe(
  Schema.filter((path) => flawOfPath(path) === undefined, {
    message: ({ actual }) => `expected a relative path of plain names: ${flawOfPath(String(actual))}`
  })
)

/** A file to put in the working directory before the program starts. */
export const InputFile = Schema.Struct({
  path: RelativePath,
  content: Schema.String,
  encoding: Schema.optionalWith(Schema.Literal("utf8", "base64"), { default: () => "utf8" })
}).pipe(
  Schema.filter(({ content, encoding }) =>
    encoding === "utf8" || Either.isRight(Encoding.decodeBase64(content))
      ? undefined
      : { path: ["content"], message: "expected base64" }
  )
)
export type InputFile = typeof InputFile.Type

const mostFiles = 64

const InputFiles = Schema.Array(InputFile)
  .annotations({ description: "an array of files" })
  .pipe(
    Schema.maxItems(mostFiles, {
      message: ({ actual }) => `expected at most ${mostFiles} files, got ${(actual as Array<unknown>).length}`
    })
  )

/** Together with their names, the variables travel in one of Linux's 128 KiB strings. */
const environmentCharacters = 32_768

const EnvironmentVariables = Schema.Record({
  key: Schema.String.pipe(
    Schema.pattern(environmentName, {
      message: () => "expected a name of letters, digits and _ that does not begin with a digit"
    })
  ),
  value: Schema.String.pipe(
    Schema.filter((value) => !value.includes("\0"), { message: () => "expected text without NUL" })
  )
})
  .annotations({ description: "an object of strings" })
  .pipe(
    Schema.filter((variables) => Object.entries(variables).flat().join().length <= environmentCharacters, {
      message: () => `expected at most ${environmentCharacters} characters in all`
    })
  )

/** Where a program leaves its artifacts unless its request says otherwise; relative to its home. */
export const defaultOutputDir = "output"

/** What a caller asks to have run. */
export const ExecutionRequest = Schema.Struct({
  code: Schema.String.pipe(Schema.minLength(1, { message: () => "expected a program, got an empty string" })),
  /** One of the languages the sandbox's toolchain has; python unless told. */
  language: Schema.optionalWith(Schema.String, { default: () => "python" }),
  /** Seconds of wall time; the limits' default unless told, at most the limits' maximum. */
  timeout: Schema.optional(
    Schema.Number.pipe(
      Schema.filter((seconds) => Number.isFinite(seconds) && seconds > 0, {
        message: () => "expected a positive number of seconds"
      })
    )
  ),
  /** Whether code that may already have run may be run again after the infrastructure failed. */
  retryOnFailure: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  userId: Schema.optional(UserId),
  files: Schema.optionalWith(InputFiles, { default: () => [] }),
  env: Schema.optionalWith(EnvironmentVariables, { default: () => ({}) }),
  /** Where the program leaves its artifacts, in its home: `$SANDBOX_OUTPUT_DIR`; `output` unless told. */
  outputDir: Schema.optional(RelativePath),
  /**
   * Names this request among the user's: the same key gives the same result and never a second run. An execution with a
   * key goes on when its caller goes away, who can then ask for its result with the same key.
   */
  idempotencyKey: Schema.optional(
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
