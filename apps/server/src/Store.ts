import { join } from "node:path"
import {
  ArtifactInspector,
  ArtifactScanner,
  ArtifactStore,
  FileArtifactStore,
  ValidatingArtifactCollector
} from "@bulkhead/artifacts"
import { ClamavScanner } from "@bulkhead/clamav"
import { Prices, type StoreFailure } from "@bulkhead/sandbox"
import { PostgresStore, Retention, SqlExecutionStore, SqlIdempotencyKeys, SqliteStore } from "@bulkhead/store"
import { NodeContext } from "@effect/platform-node"
import { ConfigError, Effect, Layer, Option } from "effect"
import * as DataDirectory from "./DataDirectory.js"
import * as EventLog from "./EventLog.js"
import { reasonOf } from "./Reason.js"
import { ServerConfig } from "./settings/ServerConfig.js"
import { StoreConfig, type StoreSettings } from "./settings/StoreConfig.js"

const megabyte = 1_048_576

const database = ({ databaseUrl, directory, durability }: StoreSettings) =>
  Option.match(databaseUrl, {
    onNone: () => SqliteStore.layer({ directory, synchronous: durability }),
    onSome: (url) => PostgresStore.layer({ url })
  })

/** A database that cannot be used, as a failure of the variable that names it. */
const databaseFailure =
  ({ databaseUrl }: StoreSettings) =>
  ({ cause, message }: StoreFailure) =>
    ConfigError.InvalidData(
      [Option.isSome(databaseUrl) ? "DATABASE_URL" : "SANDBOX_DATA_DIR"],
      cause === undefined ? message : `${message}: ${reasonOf(cause)}`
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

const executions = Layer.unwrapEffect(
  Effect.map(Effect.all([StoreConfig, ServerConfig]), ([settings, { instance }]) =>
    Layer.mergeAll(
      Layer.provide(EventLog.layer, SqlExecutionStore.layer({ instance })),
      SqlIdempotencyKeys.layer({ instance }),
      retention(settings),
      Layer.succeed(Prices, settings.prices)
    ).pipe(Layer.provide(database(settings)), Layer.mapError(databaseFailure(settings)))
  )
)

/** Each server has its own directory; the words before the name keep a name like ".." from leading elsewhere. */
const artifactFiles = ({ artifactsMB, directory, userArtifactsMB }: StoreSettings, instance: string) => {
  const path = join(directory, `artifacts of ${instance}`)
  const limits = {
    ...(artifactsMB === 0 ? {} : { all: artifactsMB * megabyte }),
    ...(userArtifactsMB === 0 ? {} : { eachUser: userArtifactsMB * megabyte })
  }
  return Layer.mapError(FileArtifactStore.layer(path, limits), DataDirectory.failure(path))
}

const artifacts = Layer.unwrapEffect(
  Effect.map(Effect.all([StoreConfig, ServerConfig]), ([settings, { instance }]) =>
    ValidatingArtifactCollector.layer().pipe(
      Layer.provideMerge(artifactFiles(settings, instance)),
      Layer.provide(
        Layer.merge(ArtifactInspector.layer({ timePerFile: settings.inspectionTime }), scanner(settings))
      )
    )
  )
)

const dataDirectory = Layer.effectDiscard(
  Effect.flatMap(StoreConfig, ({ directory }) => DataDirectory.ensure(directory))
)

/** Where executions, their events and their artifacts are kept, as the settings say. */
export const layer = executions.pipe(
  Layer.provideMerge(artifacts),
  Layer.provide(dataDirectory),
  Layer.provide(NodeContext.layer)
)
