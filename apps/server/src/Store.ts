import { join } from "node:path"
import { ArtifactStore, FileArtifactStore, ValidatingArtifactCollector } from "@bulkhead/artifacts"
import { ClamavScanner } from "@bulkhead/clamav"
import { Prices } from "@bulkhead/sandbox"
import { PostgresStore, Retention, SqlExecutionStore, SqlIdempotencyKeys, SqliteStore } from "@bulkhead/store"
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Option } from "effect"
import * as EventLog from "./EventLog.js"
import { ServerConfig } from "./ServerConfig.js"
import { StoreConfig, type StoreSettings } from "./StoreConfig.js"

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

const books = Layer.unwrapEffect(
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
  Effect.map(Effect.all([StoreConfig, ServerConfig]), ([{ directory }, { instance }]) =>
    ValidatingArtifactCollector.layer().pipe(
      // One server's alone; the words before the name keep a name like ".." from meaning another place.
      Layer.provideMerge(FileArtifactStore.layer(join(directory, `artifacts of ${instance}`))),
      Layer.provide(ClamavScanner.layerFromEnv)
    )
  )
)

/** Where executions, what happened to them and their artifacts are kept, as the settings say. */
export const layer = books.pipe(Layer.provideMerge(artifacts), Layer.provide(NodeContext.layer))
