import { version } from "@bulkhead/api"
import type { AdmissionOwnerOptions } from "@bulkhead/cluster"
import { GpuSupply, OwnExecutions, SandboxService, SandboxSupply, Toolchain } from "@bulkhead/sandbox"
import { Lease, PostgresStore } from "@bulkhead/store"
import { ConfigError, Duration, Effect, Layer, Option } from "effect"
import { Holder } from "./data/Holder.js"
import { Instance } from "./data/Instance.js"
import { reasonOf } from "./Reason.js"
import { ClusterConfig, type ClusterSettings } from "./settings/ClusterConfig.js"
import { ServerConfig } from "./settings/ServerConfig.js"

/** One for the locks of shards, the others for permits and what replicas look up. */
const connections = 5

/** Nothing is asked here that takes longer; meanwhile this replica could not take over from an owner that is lost. */
const patience = Duration.seconds(5)

/** Loaded only where it is used: a server by itself would start later for it. */
const library = Effect.promise(() => import("@bulkhead/cluster"))

const database = ({ databaseUrl }: ClusterSettings) =>
  PostgresStore.layer({ url: databaseUrl, maxConnections: connections, patience })

const failure = (error: unknown) =>
  ConfigError.InvalidData(["SANDBOX_CLUSTER"], `this server cannot be one of several: ${reasonOf(error)}`)

/**
 * Ends what a dead replica left at E2B. Who merely stands still is told by its lease: it ends itself when it goes on. A
 * replica's embedded host cannot be asked by another.
 */
const reaping = Effect.map(
  Effect.all([Lease.Lease, SandboxSupply, ServerConfig]),
  ([lease, supply, { backend }]): AdmissionOwnerOptions => {
    if (backend._tag === "Embedded") return {}
    return {
      reap: ({ id }) =>
        lease.holders.pipe(
          Effect.flatMap((holders) => (holders.has(id) ? Effect.succeed(false) : supply.bury(id))),
          Effect.catchAll((failure) => Effect.as(Effect.logWarning(failure), false))
        )
    }
  }
)

const replicas = (settings: ClusterSettings) =>
  Layer.unwrapEffect(
    Effect.map(
      Effect.all([library, Holder, Instance, ServerConfig, SandboxSupply, Lease.Lease, reaping]),
      ([{ Cluster, SessionId }, holder, instance, { backend }, supply, { check }, reaping]) =>
        Cluster.layer({
          ...reaping,
          check,
          host: settings.host,
          port: settings.port,
          version,
          circuit: Effect.map(supply.metrics, ({ circuit }) => circuit),
          session: { id: SessionId.make(holder.name), instance },
          // The embedded host's sandboxes die with its process.
          dead:
            backend._tag === "Embedded"
              ? Option.toArray(holder.former).map((name) => SessionId.make(name))
              : []
        }).pipe(Layer.provide(database(settings)), Layer.mapError(failure))
    )
  )

const oneOfSeveral = (settings: ClusterSettings) =>
  SandboxService.layerParts.pipe(
    Layer.provide(replicas(settings)),
    Layer.provide(Layer.merge(OwnExecutions.layer, GpuSupply.layer)),
    Layer.provide(Layer.merge(Toolchain.layer, SandboxService.layerPresent)),
    Layer.provide(SandboxSupply.layer)
  )

/** The service: by itself, or one with the others on its database. */
export const layer = Layer.unwrapEffect(
  Effect.map(ClusterConfig, Option.match({ onNone: () => SandboxService.layerOver, onSome: oneOfSeveral }))
)
