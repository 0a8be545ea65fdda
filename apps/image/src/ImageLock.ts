import { faultOf, type ImagePackage } from "@bulkhead/domain"
import { FileSystem } from "@effect/platform"
import { Effect, ParseResult, Schema } from "effect"
import { BuildFailure } from "./BuildFailure.js"
import { LanguageSource } from "./LanguageSource.js"

const Pinned = Schema.Struct({ name: Schema.String, version: Schema.String, sha256: Schema.String })
export type Pinned = typeof Pinned.Type

/** Exact versions and hashes: enough to build an image again the same. */
export const ImageLock = Schema.Struct({
  format: Schema.Literal(1),
  /** Built for one Python, since most wheels fit no other. */
  python: Schema.optional(Schema.Struct({ version: Schema.String, packages: Schema.Array(Pinned) })),
  /** npm's own files. */
  npm: Schema.optional(Schema.Struct({ packageJson: Schema.Unknown, packageLock: Schema.Unknown })),
  debian: Schema.optional(Schema.Struct({ codename: Schema.String, packages: Schema.Array(Pinned) })),
  /** The digest of the layout's manifest. */
  oci: Schema.optional(Schema.String),
  languages: Schema.optional(Schema.Array(LanguageSource)),
  /** Whether packages ran scripts of their own. */
  scripts: Schema.optional(Schema.Boolean)
})
export type ImageLock = typeof ImageLock.Type

const lockFrom = Schema.decodeUnknown(Schema.parseJson(ImageLock))

/** Reads the file that `--lock` names. */
export const read = Effect.fn("ImageLock.read")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(file).pipe(
    Effect.flatMap(lockFrom),
    Effect.mapError((error) => {
      const reason = ParseResult.isParseError(error) ? faultOf(error, "it").message : error.message
      return new BuildFailure({ message: `--lock ${file} cannot be used: ${reason}` })
    })
  )
})

/** What an image has, for its manifest. */
export type Packages = ReadonlyArray<typeof ImagePackage.Type>
