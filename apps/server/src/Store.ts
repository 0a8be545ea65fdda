import { join } from "node:path"
import {
  AllowedArtifacts,
  ArtifactInspector,
  ArtifactScanner,
  ArtifactStore,
  CatalogArtifactStore,
  FileArtifactStore,
  ValidatingArtifactCollector
} from "@bulkhead/artifacts"
import { ClamavScanner } from "@bulkhead/clamav"
import type { S3Failure, S3Options } from "@bulkhead/s3"
import { Prices, type StoreFailure } from "@bulkhead/sandbox"
import {
  type Lease,
  PostgresStore,
  Retention,
  SqlArtifactBlobs,
  SqlArtifactCatalog,
  SqlExecutionStore,
  SqlIdempotencyKeys,
  SqliteStore,
  SqlUserWebhooks
} from "@bulkhead/store"
import { FileUploads } from "@bulkhead/uploads"
import type { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { ConfigError, Effect, Layer, Option } from "effect"
import * as ArtifactDirectory from "./data/ArtifactDirectory.js"
import { DataDirectory, failure } from "./data/DataDirectory.js"
import { Holder } from "./data/Holder.js"
import { Instance } from "./data/Instance.js"
import * as EventLog from "./EventLog.js"
import { reasonOf } from "./Reason.js"
import { ArtifactPlace } from "./settings/ArtifactPlace.js"
import { StoreConfig, type StoreSettings } from "./settings/StoreConfig.js"

const megabyte = 1_048_576

const database = ({ databaseUrl, directory, durability }: StoreSettings) =>
  Option.match(databaseUrl, {
    onNone: () => SqliteStore.layer({ directory, synchronous: durability }),
    onSome: (url) => PostgresStore.layer({ url })
  })

const nameInUse = ({ message }: Lease.InstanceInUse) =>
  ConfigError.InvalidData(["SANDBOX_INSTANCE"], `${message}; stop that one, or give this one another name`)

/** A database that cannot be used, as a failure of the variable that names it. */
const databaseFailure =
  ({ databaseUrl, directory }: StoreSettings) =>
  (failure: StoreFailure | Lease.InstanceInUse) => {
    if (failure._tag === "InstanceInUse") return nameInUse(failure)
    const { cause, message } = failure
    const what = cause === undefined ? message : `${message}: ${reasonOf(cause)}`
    return Option.isSome(databaseUrl)
      ? ConfigError.InvalidData(["DATABASE_URL"], `${what}; correct the URL, or what is wrong at PostgreSQL`)
      : ConfigError.InvalidData(
          ["SANDBOX_DATA_DIR"],
          `${what}; see to bulkhead.db and the room on the disk in ${directory}, or name another directory`
        )
  }

/** One, for all that is in it. */
const sharedDatabase = Layer.unwrapEffect(
  Effect.map(StoreConfig, (settings) => Layer.mapError(database(settings), databaseFailure(settings)))
)

const retention = ({ retentionDays, retentionMB }: StoreSettings) =>
  Layer.unwrapEffect(
    Effect.map(ArtifactStore, ({ remove }) =>
      Retention.layer({
        ...(retentionDays === 0 ? {} : { maxAge: retentionDays }),
        ...(retentionMB === 0 ? {} : { maxBytes: retentionMB * megabyte }),
        removeArtifacts: remove
      })
    )
  )

const scanner = ({ clamavAddress }: StoreSettings) =>
  Option.match(clamavAddress, {
    onNone: () => ArtifactScanner.layerOff,
    onSome: (address) => ClamavScanner.layer({ address })
  })

/** Nobody else uses a SQLite database in the directory that this server holds. */
const isDead = ({ databaseUrl }: StoreSettings, isFormer: (holder: string) => boolean) =>
  Option.isSome(databaseUrl) ? isFormer : () => true

const executions = Layer.unwrapEffect(
  Effect.map(Effect.all([StoreConfig, Instance, Holder]), ([settings, instance, holder]) => {
    const store = SqlExecutionStore.layer({
      instance,
      holder: holder.name,
      isDead: isDead(settings, (other) => Option.contains(holder.former, other))
    })
    return Layer.mergeAll(
      EventLog.layer,
      SqlIdempotencyKeys.layer({ instance }),
      SqlUserWebhooks.layer,
      retention(settings),
      Layer.succeed(Prices, settings.prices)
    ).pipe(
      Layer.provideMerge(store),
      Layer.mapError(databaseFailure(settings)),
      Layer.provide(sharedDatabase),
      Layer.tap(() => holder.keep)
    )
  })
)

/** None, where a setting is 0. */
const room = (allMB: number, eachUserMB: number) => ({
  ...(allMB === 0 ? {} : { all: allMB * megabyte }),
  ...(eachUserMB === 0 ? {} : { eachUser: eachUserMB * megabyte })
})

const artifactFiles = (settings: StoreSettings) =>
  Layer.unwrapEffect(
    Effect.flatMap(DataDirectory, (directory) => {
      const path = ArtifactDirectory.inside(directory)
      return Effect.as(
        ArtifactDirectory.carryOver(directory),
        FileArtifactStore.layer(path, room(settings.artifactsMB, settings.userArtifactsMB))
      ).pipe(Effect.mapError(failure(path)), Effect.map(Layer.mapError(failure(path))))
    })
  )

/** What artifacts there are is in the database, with the room they take of all servers; their bytes may be elsewhere. */
const catalogued = (settings: StoreSettings) => {
  const limits = room(settings.artifactsMB, settings.userArtifactsMB)
  const catalog = Layer.mapError(SqlArtifactCatalog.layer(limits), databaseFailure(settings))
  return Layer.provide(CatalogArtifactStore.layer(), catalog)
}

const bucketFailure = (bucket: string) => (error: S3Failure) =>
  ConfigError.InvalidData(
    ["SANDBOX_S3_BUCKET"],
    `'${bucket}' cannot be used: ${error.operation}: ${reasonOf(error)}; ` +
      "see to the bucket, SANDBOX_S3_ENDPOINT and the access key"
  )

/** Loaded only where it is used: it is larger than most of the rest. */
const bucketBlobs = (options: S3Options) =>
  Layer.unwrapEffect(
    Effect.map(
      Effect.promise(() => import("@bulkhead/s3")),
      ({ S3ArtifactBlobs }) => Layer.mapError(S3ArtifactBlobs.layer(options), bucketFailure(options.bucket))
    )
  )

type ArtifactLayer = Layer.Layer<
  ArtifactStore,
  ConfigError.ConfigError,
  DataDirectory | StoreConfig | FileSystem.FileSystem | Path.Path
>

const artifactStore = Layer.unwrapEffect(
  Effect.map(
    StoreConfig,
    (settings): ArtifactLayer =>
      ArtifactPlace.$match(settings.artifactPlace, {
        Files: () => artifactFiles(settings),
        Database: () =>
          catalogued(settings).pipe(Layer.provide(SqlArtifactBlobs.layer), Layer.provide(sharedDatabase)),
        S3: ({ options }) =>
          catalogued(settings).pipe(Layer.provide(bucketBlobs(options)), Layer.provide(sharedDatabase))
      })
  )
)

const artifacts = Layer.unwrapEffect(
  Effect.map(StoreConfig, (settings) =>
    ValidatingArtifactCollector.layer().pipe(
      Layer.provideMerge(artifactStore),
      Layer.provideMerge(AllowedArtifacts.layer(settings.allowedArtifacts)),
      Layer.provide(
        Layer.merge(ArtifactInspector.layer({ timePerFile: settings.inspectionTime }), scanner(settings))
      )
    )
  )
)

const uploads = Layer.unwrapEffect(
  Effect.map(Effect.all([DataDirectory, StoreConfig]), ([directory, settings]) => {
    const path = join(directory, "uploads")
    return FileUploads.layer(path, {
      lifetime: settings.uploadLifetime,
      ...room(settings.uploadsMB, settings.userUploadsMB)
    }).pipe(Layer.mapError(failure(path)))
  })
)

/** Where executions, their events, their artifacts and what callers send are kept, as the settings say. */
export const layer = executions.pipe(
  Layer.provideMerge(Layer.merge(artifacts, uploads)),
  Layer.provide(NodeContext.layer)
)
