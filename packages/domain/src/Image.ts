import { Schema } from "effect"
import { ExecutionError } from "./ExecutionError.js"

const describedPattern = (pattern: RegExp, expected: string) =>
  Schema.String.pipe(Schema.pattern(pattern, { message: () => `expected ${expected}` }))

/** What an image is called in requests: 1 to 63 lower-case letters, digits or -, beginning with a letter. */
export const ImageName = describedPattern(
  /^[a-z][a-z0-9-]{0,62}$/,
  "1 to 63 lower-case letters, digits or -, beginning with a letter"
)
export type ImageName = typeof ImageName.Type

/** What a language is called in requests: 1 to 32 lower-case letters, digits or + # -, beginning with a letter. */
export const LanguageName = describedPattern(
  /^[a-z][a-z0-9+#-]{0,31}$/,
  "1 to 32 lower-case letters, digits or + # -, beginning with a letter"
)

/** Text for people, in one line. */
const line = (most: number) =>
  describedPattern(
    new RegExp(`^[^\\p{Cc}\\p{Zl}\\p{Zp}]{1,${most}}$`, "u"),
    `1 to ${most} characters in one line`
  )

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** No word means anything to a shell but itself, since without a supervisor it is a shell that runs it. */
const word = "[A-Za-z0-9_./:=,+@%^-]+"

/** A language that an image has: how programs of it are run. */
export const LanguageRow = Schema.Struct({
  name: LanguageName,
  /** For people: `go 1.19.8`. */
  version: line(100),
  /** The program's file in the working directory. */
  file: describedPattern(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/,
    "a plain file name: 1 to 64 letters, digits or _ . -, beginning with a letter, digit or _"
  ),
  /** The words that run that file. Found on the path that the image's `env` sets, or the login shell's. */
  command: describedPattern(
    new RegExp(`^(?=.{1,1000}$)(?!\\S*=)${word}(?: ${word})*$`),
    "words of letters, digits and _ . / : = , + @ % ^ - with single blanks between; 1000 characters at most"
  ),
  /** A line for the shell that fails exactly when the language's own parser refuses the file. */
  check: optional(line(4000))
})
export type LanguageRow = typeof LanguageRow.Type

/** A package that an image has. */
export const ImagePackage = Schema.Struct({
  from: Schema.Literal("pypi", "npm", "debian", "oci", "directory").annotations({
    description: "Where it came from."
  }),
  name: line(214).annotations({ description: "What it is called there." }),
  version: line(200).annotations({ description: "The version that is installed." })
})
export type ImagePackage = typeof ImagePackage.Type

const firstTwice = (names: ReadonlyArray<string>) => names.find((name, at) => names.indexOf(name) !== at)

const mostLanguages = 64
const LanguageRows = Schema.Array(LanguageRow).pipe(
  Schema.maxItems(mostLanguages, { message: () => `expected at most ${mostLanguages} languages` }),
  Schema.filter((rows) => {
    const twice = firstTwice(rows.map(({ name }) => name))
    return twice === undefined || `expected each language once, got ${twice} twice`
  })
)

const mostPackages = 5000
/** Together with the request's own they travel in one of Linux's 128 KiB strings. */
const environmentCharacters = 8192

const ImageEnvironment = Schema.Record({
  key: describedPattern(
    /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    "a name of letters, digits and _ that does not begin with a digit"
  ),
  value: Schema.String.pipe(
    Schema.filter((value) => (value.isWellFormed() && !value.includes("\0")) || "expected text without NUL")
  )
}).pipe(
  Schema.filter(
    (variables) =>
      Object.entries(variables).reduce((sum, [name, value]) => sum + name.length + value.length + 2, 0) <=
        environmentCharacters || `expected at most ${environmentCharacters} characters in all`
  )
)

/** Where an image says of itself what it has. */
export const imageManifestPath = "/opt/bulkhead/image.json"
/** Most bytes of that file. */
export const mostManifestBytes = 262_144

/** What an image says of itself, in the file `/opt/bulkhead/image.json` inside it. */
export const ImageManifest = Schema.Struct({
  format: Schema.Literal(1),
  /** One sentence for people. */
  description: optional(line(500)),
  /** Languages beside the usual ones, or in the place of those with the same name. */
  languages: optional(LanguageRows),
  packages: optional(
    Schema.Array(ImagePackage).pipe(
      Schema.maxItems(mostPackages, { message: () => `expected at most ${mostPackages} packages` })
    )
  ),
  /** What programs find in their environment unless their request says otherwise, as it is written: nothing expands. */
  env: optional(ImageEnvironment)
})
export type ImageManifest = typeof ImageManifest.Type

const Contents = {
  description: Schema.optional(Schema.String.annotations({ description: "What it is for, in a sentence." })),
  languages: Schema.Array(
    Schema.Struct({
      name: Schema.String.annotations({ description: "What a request chooses it by." }),
      version: Schema.String.annotations({ description: "What runs it, and its version." })
    })
  ).annotations({
    description: "The languages that programs may be written in, each with the version of what runs it.",
    examples: [[{ name: "python", version: "python 3.11.2" }]]
  }),
  packages: Schema.Array(ImagePackage).annotations({
    description: "Packages that programs may use, as far as the image says."
  })
}

/** What an image has, for those who choose one. */
export const ImageDescription = Schema.Struct({
  name: ImageName.annotations({ description: "What a request chooses it by.", examples: ["data"] }),
  ...Contents,
  error: Schema.optional(
    ExecutionError.annotations({ description: "Why nothing is known of it. Absent: nothing is wrong." })
  )
})
export type ImageDescription = typeof ImageDescription.Type

/** All that a request may choose from. */
export const ImageList = Schema.Struct({
  plain: Schema.Struct({ ...Contents, error: ImageDescription.fields.error }).annotations({
    description: "What the sandbox has of a request that chooses none."
  }),
  images: Schema.Array(ImageDescription).annotations({
    description: "The images that a request may choose, in the operator's order."
  })
})
export type ImageList = typeof ImageList.Type
