import type { S3Options } from "@bulkhead/s3"
import { ConfigError, Data, Effect, Option } from "effect"
import { variables } from "./Variables.js"

/** Where artifacts are kept: on this machine's disk, or where other servers reach them too. */
export type ArtifactPlace = Data.TaggedEnum<{
  Files: Record<never, never>
  Database: Record<never, never>
  S3: { readonly options: S3Options }
}>
export const ArtifactPlace = Data.taggedEnum<ArtifactPlace>()

const needsBucket = ConfigError.MissingData(
  ["SANDBOX_S3_BUCKET"],
  "expected the name of a bucket, since SANDBOX_ARTIFACT_STORE is s3"
)

const unusedBucket = (store: string) =>
  ConfigError.InvalidData(
    ["SANDBOX_S3_BUCKET"],
    `expected none, since SANDBOX_ARTIFACT_STORE is '${store}': no artifact would get there`
  )

const needsPostgres = ConfigError.InvalidData(
  ["SANDBOX_ARTIFACT_STORE"],
  "'database' keeps artifacts in PostgreSQL: set DATABASE_URL, or take 'file' or 's3'"
)

const other = { AWS_ACCESS_KEY_ID: "AWS_SECRET_ACCESS_KEY", AWS_SECRET_ACCESS_KEY: "AWS_ACCESS_KEY_ID" }

const onlyOne = (given: keyof typeof other) =>
  ConfigError.MissingData(
    [other[given]],
    `expected it beside ${given}, since one is of no use without the other`
  )

type Credentials = Pick<S3Options, "credentials">

const credentials: Effect.Effect<Credentials, ConfigError.ConfigError> = Effect.gen(function* () {
  const id = yield* variables.awsAccessKeyId.config
  const secret = yield* variables.awsSecretAccessKey.config
  const token = yield* variables.awsSessionToken.config
  if (Option.isNone(id) && Option.isNone(secret)) return {}
  if (Option.isNone(secret)) return yield* Effect.fail(onlyOne("AWS_ACCESS_KEY_ID"))
  if (Option.isNone(id)) return yield* Effect.fail(onlyOne("AWS_SECRET_ACCESS_KEY"))
  return {
    credentials: {
      accessKeyId: id.value,
      secretAccessKey: secret.value,
      ...(Option.isSome(token) && { sessionToken: token.value })
    }
  }
})

const s3: Effect.Effect<ArtifactPlace, ConfigError.ConfigError> = Effect.gen(function* () {
  const bucket = yield* variables.s3Bucket.config
  const prefix = yield* variables.s3Prefix.config
  const endpoint = yield* variables.s3Endpoint.config
  if (Option.isNone(bucket)) return yield* Effect.fail(needsBucket)
  const options: S3Options = {
    bucket: bucket.value,
    region: yield* variables.s3Region.config,
    pathStyle: (yield* variables.s3PathStyle.config) === "on",
    ...(Option.isSome(prefix) && { prefix: prefix.value }),
    ...(Option.isSome(endpoint) && { endpoint: endpoint.value }),
    ...(yield* credentials)
  }
  return ArtifactPlace.S3({ options })
})

export const config: Effect.Effect<ArtifactPlace, ConfigError.ConfigError> = Effect.gen(function* () {
  const store = yield* variables.artifactStore.config
  if (store === "s3") return yield* s3
  if (Option.isSome(yield* variables.s3Bucket.config)) return yield* Effect.fail(unusedBucket(store))
  if (store === "file") return ArtifactPlace.Files()
  const databaseUrl = yield* variables.databaseUrl.config
  return Option.isSome(databaseUrl) ? ArtifactPlace.Database() : yield* Effect.fail(needsPostgres)
})
