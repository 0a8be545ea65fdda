import { faultOf, OwnSecret, SecretName, UserId } from "@bulkhead/domain"
import { KeptSecrets } from "@bulkhead/sandbox"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { ConfigError, Effect, Either, Layer, Option, Schema } from "effect"
import { SecretsConfig } from "./settings/SecretsConfig.js"
import { variables } from "./settings/Variables.js"

/** One secret of the file: what a request would give, and who may name it. */
const KeptSecret = Schema.Struct({
  ...OwnSecret.fields,
  users: Schema.Array(Schema.Union(UserId, Schema.Literal("*")))
    .annotations({ description: 'an array of users, or ["*"] for all of them' })
    .pipe(Schema.minItems(1, { message: () => 'expected at least one user, or "*" for all of them' }))
})

const SecretsFile = Schema.Record({ key: SecretName, value: KeptSecret }).annotations({
  description: "an object of secrets by their names"
})
type SecretsFile = typeof SecretsFile.Type

/** Permissions of the group and of others, one of which would let somebody else read it. */
const OF_OTHERS = 0o077
const MOST_BYTES = 16 * 1_048_576

const wrong = (what: string) => ConfigError.InvalidData([variables.secretsFile.name], what)

const decode = Schema.decodeUnknownEither(SecretsFile, { onExcessProperty: "error" })

// A parser's own message would quote the file.
const parse = (text: string) =>
  Either.try({ try: (): unknown => JSON.parse(text), catch: () => "it is not JSON" }).pipe(
    Either.flatMap((json) => Either.mapLeft(decode(json), (error) => faultOf(error, "it").message))
  )

const read = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  const unreadable = () => wrong(`expected a file that can be read: ${path}`)
  const { mode, size, type } = yield* Effect.mapError(files.stat(path), unreadable)
  if (type !== "File") return yield* Effect.fail(wrong(`expected a file: ${path}`))
  if ((mode & OF_OTHERS) !== 0)
    return yield* Effect.fail(wrong(`expected a file that only its owner may read (chmod 600): ${path}`))
  if (size > MOST_BYTES) return yield* Effect.fail(wrong(`expected a file of at most 16 MB: ${path}`))
  const text = yield* Effect.mapError(files.readFileString(path), unreadable)
  return yield* Effect.mapError(parse(text), (flaw) =>
    wrong(`expected secrets as secrets.md has them, in ${path}: ${flaw}`)
  )
})

const findIn =
  (kept: SecretsFile) =>
  (userId: UserId, name: string): OwnSecret | undefined => {
    const found = Object.hasOwn(kept, name) ? kept[name] : undefined
    if (found === undefined) return undefined
    const { users, ...secret } = found
    return users.includes("*") || users.includes(userId) ? secret : undefined
  }

/** The secrets that the operator keeps. A file that is not as it must be is a `ConfigError`, which has none of them. */
export const layer = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { file } = yield* SecretsConfig
    if (Option.isNone(file)) return Layer.empty
    const kept = yield* read(file.value)
    return Layer.succeed(KeptSecrets, { find: findIn(kept) })
  })
).pipe(Layer.provide(NodeFileSystem.layer))
