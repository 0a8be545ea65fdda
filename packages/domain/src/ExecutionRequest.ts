import { Predicate, Schema } from "effect"
import type { Fault } from "./Fault.js"
import { flawOfPath, mostPathBytes } from "./FileName.js"
import { GpuRequest } from "./Gpu.js"
import { ImageName } from "./Image.js"
import { mostTargets, NetworkRequest } from "./Network.js"
import { mostSecrets, RequestSecrets } from "./Secret.js"
import { FileId } from "./Upload.js"
import { UserId } from "./UserId.js"
import { Webhook } from "./Webhook.js"

const environmentName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** Half of a character of UTF-16 has no bytes in UTF-8. */
const Text = Schema.String.pipe(
  Schema.filter((text) => text.isWellFormed(), {
    message: () => "expected Unicode text, but it has half of a surrogate pair",
    // Without one, what describes a text that is filtered is lost.
    jsonSchema: {}
  })
)

/** What may be left out may also be null: many clients write every field that they know. */
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { nullable: true })

const RelativePath = Schema.String.pipe(
  Schema.filter((path) => flawOfPath(path) === undefined, {
    message: ({ actual }) => `expected a relative path of plain names: ${flawOfPath(String(actual))}`,
    jsonSchema: { minLength: 1, maxLength: mostPathBytes }
  })
)

const base64 = /^[A-Za-z0-9+/\r\n]*(?:=[\r\n]*){0,2}$/

/** Letters of base64 in one line or in several. They are not joined, since there may be very many of both. */
export const lettersOfBase64 = (text: string) => {
  let letters = 0
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x0d) letters++
  return letters
}

/** Whether a text is base64, in one line or in several. */
export const isBase64 = (text: string) => base64.test(text) && lettersOfBase64(text) % 4 === 0

/** How bytes are written down in JSON. */
const Encoding = Schema.optionalWith(Schema.Literal("utf8", "base64"), {
  nullable: true,
  default: () => "utf8" as const
})

const InputFileFields = Schema.Struct({
  path: RelativePath.annotations({
    description: `Relative to the program's home, of plain names; ${mostPathBytes} bytes at most.`
  }),
  content: optional(Text).annotations({
    description: "The file's bytes, written down as `encoding` says. Either this or a `fileId`."
  }),
  encoding: Encoding.annotations({
    description: "How `content` is written down: as text, or as base64 for any bytes; utf8 unless told.",
    default: "utf8"
  }),
  fileId: optional(FileId).annotations({
    description: "A file of the same user that was sent before and is still kept."
  })
})

const contentFlaw = ({ content, encoding, fileId }: typeof InputFileFields.Type) => {
  if (content === undefined && fileId === undefined)
    return { path: ["content"], message: "is missing: expected the file's content, or a fileId instead" }
  if (content !== undefined && fileId !== undefined)
    return { path: ["fileId"], message: "expected none, since there is content" }
  return content === undefined || encoding === "utf8" || isBase64(content)
    ? undefined
    : { path: ["content"], message: "expected base64" }
}

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
      message: () => `expected at most ${environmentCharacters} characters in all`,
      jsonSchema: { maxProperties: mostVariables }
    })
  )

/** Together they travel in one of Linux's 128 KiB strings, each character in up to four bytes. */
const argumentCharacters = 16_384
const mostArguments = 1024

const Arguments = Schema.Array(
  Text.pipe(Schema.filter((value) => !value.includes("\0"), { message: () => "expected text without NUL" }))
)
  .annotations({ description: "an array of strings" })
  .pipe(
    Schema.maxItems(mostArguments, { message: () => `expected at most ${mostArguments} arguments` }),
    Schema.filter((values) => values.reduce((sum, { length }) => sum + length, 0) <= argumentCharacters, {
      message: () => `expected at most ${argumentCharacters} characters in all`
    })
  )

const excess = (field: string, most: number, things: string, found: number): Fault => ({
  field,
  message: `${field}: expected at most ${most} ${things}, got ${found}`
})

const excessTargets = (network: { readonly [name: string]: unknown }) => {
  for (const list of ["allow", "deny"]) {
    const targets = network[list]
    if (Array.isArray(targets) && targets.length > mostTargets)
      return excess(`network.${list}`, mostTargets, "targets", targets.length)
  }
  return undefined
}

/**
 * What a request has more of than it may have: files, of which the limits allow so many, arguments, variables or targets.
 * Looks at none of them, however many there are.
 */
export const excessIn = (request: unknown, mostFiles: number): Fault | undefined => {
  if (!Predicate.isReadonlyRecord(request)) return undefined
  const files = Array.isArray(request.files) ? request.files.length : 0
  if (files > mostFiles) return excess("files", mostFiles, "files", files)
  const values = Array.isArray(request.args) ? request.args.length : 0
  if (values > mostArguments) return excess("args", mostArguments, "arguments", values)
  const variables = Predicate.isReadonlyRecord(request.env) ? Object.keys(request.env).length : 0
  if (variables > mostVariables) return excess("env", mostVariables, "variables", variables)
  const secrets = Predicate.isReadonlyRecord(request.secrets) ? Object.keys(request.secrets).length : 0
  if (secrets > mostSecrets) return excess("secrets", mostSecrets, "secrets", secrets)
  return Predicate.isReadonlyRecord(request.network) ? excessTargets(request.network) : undefined
}

/** The program's home itself. */
export const wholeHome = "."

const OutputDirectory = Schema.String.pipe(
  Schema.filter((path) => path === wholeHome || flawOfPath(path) === undefined, {
    message: ({ actual }) => `expected "." or a relative path of plain names: ${flawOfPath(String(actual))}`,
    jsonSchema: { minLength: 1, maxLength: mostPathBytes }
  })
)

/** Where a program leaves its artifacts unless its request says otherwise; relative to its home. */
export const defaultOutputDir = "output"

/** What a caller asks to have run. Its descriptions are those of the HTTP contract and of agents' tools. */
export const ExecutionRequest = Schema.Struct({
  code: Text.pipe(
    Schema.minLength(1, {
      message: () => "expected a program, got an empty string",
      description: "The program to run, in UTF-8; 1 MiB at most unless the server's limits say otherwise.",
      examples: ["print(6 * 7)"]
    })
  ),
  language: Schema.optionalWith(Schema.String, { nullable: true, default: () => "python" }).annotations({
    description:
      "What the program is written in: python, javascript, typescript, bash, or a language that the image adds; python unless told.",
    default: "python",
    examples: ["python", "bash"]
  }),
  image: optional(ImageName).annotations({
    description:
      "The image that the sandbox is made from, one of those that `GET /api/images` lists; the plain sandbox unless told.",
    examples: ["data"]
  }),
  timeout: optional(
    Schema.Number.pipe(
      Schema.filter((seconds) => Number.isFinite(seconds) && seconds > 0, {
        message: () => "expected a positive number of seconds",
        jsonSchema: { exclusiveMinimum: 0 }
      })
    )
  ).annotations({
    description:
      "Seconds of wall time after which the program is ended; the server's default unless told (300), and no more than its maximum (900).",
    examples: [60]
  }),
  retryOnFailure: Schema.optionalWith(Schema.Boolean, { nullable: true, default: () => false }).annotations({
    description:
      "Whether a program that may already have run may be run again after the sandbox failed; false unless told.",
    default: false
  }),
  userId: optional(UserId).annotations({
    description: "Whose execution it is; anonymous unless told. Where callers have keys, the key says it.",
    examples: [UserId.make("user_456")]
  }),
  files: Schema.optionalWith(InputFiles, { nullable: true, default: () => [] }).annotations({
    description:
      "Files to put into the working directory before the program starts, by relative paths; 1000 and 64 MB at most unless the server's limits say otherwise.",
    default: [],
    examples: [[{ path: "data/in.csv", content: "a,b\n1,2\n", encoding: "utf8" }]]
  }),
  env: Schema.optionalWith(EnvironmentVariables, { nullable: true, default: () => ({}) }).annotations({
    description: `The program's environment variables; ${mostVariables} and ${environmentCharacters} characters at most.`,
    default: {},
    examples: [{ GREETING: "hello" }]
  }),
  secrets: Schema.optionalWith(RequestSecrets, { nullable: true, default: () => ({}) }).annotations({
    description: `Secrets that the program may use without ever having them, by the names of environment variables; ${mostSecrets} at most, and 16384 characters of values in all. The variable holds a placeholder, whose place the value takes on the way to the secret's hosts, over TLS, in headers alone.`,
    default: {},
    examples: [{ OPENAI_API_KEY: { name: "openai" } }]
  }),
  args: Schema.optionalWith(Arguments, { nullable: true, default: () => [] }).annotations({
    description: `The program's arguments, like sys.argv[1:]; ${mostArguments} and ${argumentCharacters} characters at most, none with NUL.`,
    default: [],
    examples: [["--verbose", "in.csv"]]
  }),
  stdin: optional(Text).annotations({
    description:
      "What the program reads from its standard input. Without it, the input is at its end at once. A program need not read it.",
    examples: ["1 2 3\n"]
  }),
  stdinEncoding: Encoding.annotations({
    description: "How `stdin` is written down: as text, or as base64 for any bytes; utf8 unless told.",
    default: "utf8"
  }),
  gpu: optional(GpuRequest).annotations({
    description:
      "Whole GPUs for this program alone, where the server has any: how many, and of which kind; none unless told.",
    examples: [{ count: 1 }]
  }),
  outputDir: optional(OutputDirectory).annotations({
    description:
      'The directory, relative to the program\'s home, in which it leaves its artifacts: $SANDBOX_OUTPUT_DIR; output unless told. With "." they are all files that the program made or changed in its home.',
    examples: ["results"]
  }),
  network: optional(NetworkRequest).annotations({
    description:
      "What the program may connect to: never more than the operator allows, which is what counts unless told.",
    examples: [{ allow: ["pypi.org", "*.pythonhosted.org:443"] }]
  }),
  idempotencyKey: optional(
    Schema.String.pipe(
      Schema.pattern(/^[\x21-\x7e]{1,255}$/, {
        message: () => "expected 1 to 255 printable ASCII characters without spaces"
      })
    )
  ).annotations({
    description:
      "Names this request among the user's, in 1 to 255 printable ASCII characters without spaces: the same key gives the same result for a day, and never a second run. An execution with a key goes on when its caller goes away.",
    examples: ["order-17"]
  }),
  webhook: optional(Webhook).annotations({
    description:
      "Who is told when the execution ends, or of other events: a URL, or `{url, events}`; nobody unless told."
  })
})
export type ExecutionRequest = typeof ExecutionRequest.Type
/** A request as it is written, defaults left out. */
export type ExecutionRequestInput = typeof ExecutionRequest.Encoded
