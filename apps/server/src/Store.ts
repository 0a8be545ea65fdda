import { join } from "node:path"
import {
  AllowedArtifacts,
  ArtifactInspector,
  ArtifactScanner,
  ArtifactStore,
  FileArtifactStore,
  ValidatingArtifactCollector
} from "@bulkhead/artifacts"
import { ClamavScanner } from "@bulkhead/clamav"
import { Prices, type StoreFailure } from "@bulkhead/sandbox"
import {
  type Lease,
  PostgresStore,
  Retention,
  SqlExecutionStore,
  SqlIdempotencyKeys,
  SqliteStore,
  SqlUserWebhooks
} from "@bulkhead/store"
import { FileUploads } from "@bulkhead/uploads"
import { NodeContext } from "@effect/platform-node"
import { ConfigError, Effect, Layer, Option } from "effect"
import * as ArtifactDirectory from "./data/ArtifactDirectory.js"
import { DataDirectory, failure } from "./data/DataDirectory.js"
import { Holder } from "./data/Holder.js"
import { Instance } from "./data/Instance.js"
import * as EventLog from "./EventLog.js"
import { reasonOf } from "./Reason.js"
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
      Layer.provide(database(settings)),
      Layer.mapError(databaseFailure(settings)),
      Layer.tap(() => holder.keep)
    )
  })
)

/** None, where a setting is 0. */
const room = (allMB: number, eachUserMB: number) => ({
  ...(allMB === 0 ? {} : { all: allMB * megabyte }),
  ...(eachUserMB === 0 ? {} : { eachUser: eachUserMB * megabyte })
})

const artifactFiles = Layer.unwrapEffect(
  Effect.flatMap(Effect.all([DataDirectory, StoreConfig]), ([directory, settings]) => {
    const path = ArtifactDirectory.inside(directory)
    return Effect.as(
      ArtifactDirectory.carryOver(directory),
      FileArtifactStore.layer(path, room(settings.artifactsMB, settings.userArtifactsMB))
    ).pipe(Effect.mapError(failure(path)), Effect.map(Layer.mapError(failure(path))))
  })
)

const artifacts = Layer.unwrapEffect(
  Effect.map(StoreConfig, (settings) =>
    ValidatingArtifactCollector.layer().pipe(
      Layer.provideMerge(artifactFiles),
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
