import { join } from "node:path"
import {
  ArtifactScanner,
  ArtifactStore,
  FileArtifactStore,
  ValidatingArtifactCollector
} from "@bulkhead/artifacts"
import { ClamavScanner } from "@bulkhead/clamav"
import { Prices } from "@bulkhead/sandbox"
import { PostgresStore, Retention, SqlExecutionStore, SqlIdempotencyKeys, SqliteStore } from "@bulkhead/store"
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Option } from "effect"
import * as EventLog from "./EventLog.js"
import { ServerConfig } from "./settings/ServerConfig.js"
import { StoreConfig, type StoreSettings } from "./settings/StoreConfig.js"

const megabyte = 1_048_576

const database = ({ databaseUrl, directory, durability }: StoreSettings) =>
  Option.match(databaseUrl, {
    onNone: () => SqliteStore.layer({ directory, synchronous: durability }),
    onSome: (url) => PostgresStore.layer({ url })
  })

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
    ).pipe(Layer.provide(database(settings)))
  )
)

const artifacts = Layer.unwrapEffect(
  Effect.map(Effect.all([StoreConfig, ServerConfig]), ([settings, { instance }]) =>
    ValidatingArtifactCollector.layer().pipe(
      // Each server has its own directory; the words before the name keep a name like ".." from leading elsewhere.
      Layer.provideMerge(FileArtifactStore.layer(join(settings.directory, `artifacts of ${instance}`))),
      Layer.provide(scanner(settings))
    )
  )
)

/** Where executions, their events and their artifacts are kept, as the settings say. */
export const layer = executions.pipe(Layer.provideMerge(artifacts), Layer.provide(NodeContext.layer))
