import { faultOf, LanguageRow } from "@bulkhead/domain"
import { FileSystem, Path } from "@effect/platform"
import { Effect, ParseResult, Schema } from "effect"
import { BuildFailure } from "./BuildFailure.js"

const { version: _, ...fields } = LanguageRow.fields

/** A language as a file has it: its row, and how the row's version and programs are found. */
export const LanguageSource = Schema.Struct({
  ...fields,
  /** A shell line that prints the version. */
  version: Schema.String,
  /** The Debian packages that have its programs; an image that names no other system is made of them. */
  debian: Schema.optional(Schema.Array(Schema.String)),
  /** Scripts that its command uses, by their names on the path. */
  programs: Schema.optional(
    Schema.Record({
      key: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/)),
      value: Schema.String
    })
  ),
  /** What its programs need in the environment. */
  env: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String }))
})
export type LanguageSource = typeof LanguageSource.Type

const sourceFrom = Schema.decodeUnknown(Schema.parseJson(LanguageSource))

/** Reads a row that is shipped, by its name, or one from a file. */
export const read = Effect.fn("LanguageSource.read")(function* (shipped: string, given: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const isFile = given.includes("/") || given.endsWith(".json")
  const file = isFile ? given : path.join(shipped, `${given}.json`)
  if (!(yield* Effect.orElseSucceed(fs.exists(file), () => false))) {
    const names = yield* Effect.orElseSucceed(fs.readDirectory(shipped), () => [])
    const known = names.map((name) => path.basename(name, ".json")).sort()
    return yield* new BuildFailure({
      message: `--language ${given}: expected ${known.join(", ")} or a file with a row`
    })
  }
  return yield* fs.readFileString(file).pipe(
    Effect.flatMap(sourceFrom),
    Effect.mapError((error) => {
      const reason = ParseResult.isParseError(error) ? faultOf(error, "it").message : error.message
      return new BuildFailure({ message: `--language ${given}: ${reason}` })
    })
  )
})
