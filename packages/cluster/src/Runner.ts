import {
  MessageStorage,
  RunnerAddress,
  RunnerHealth,
  type Sharding,
  ShardingConfig,
  SocketRunner,
  SqlRunnerStorage
} from "@effect/cluster"
import { SocketServer } from "@effect/platform"
import { RpcSerialization } from "@effect/rpc"
import type { SqlClient } from "@effect/sql"
import { Duration, Effect, Layer, Option, Schedule } from "effect"
import * as LivingRunners from "./LivingRunners.js"
import type { LedgerFailure } from "./PermitLedger.js"
import type { SessionId } from "./Protocol.js"
import * as ReplicaSecret from "./ReplicaSecret.js"
import * as ReplicaSocket from "./ReplicaSocket.js"

export interface RunnerOptions {
  /** Where the other replicas reach this one. */
  readonly host: string
  /** The TCP port for that. 0 takes a free one. */
  readonly port: number
  /** Names the shards that are this replica's alone. */
  readonly session: SessionId
  /** Fails while the others may count this replica as dead. Default: they never do. */
  readonly check?: Effect.Effect<void, Error>
}

/** After so long without a sign of life, a runner's shards are another's. In the database's time, in whole seconds. */
const expiration = Duration.seconds(3)

const config = (
  { host, session }: RunnerOptions,
  port: number
): Partial<ShardingConfig.ShardingConfig["Type"]> => ({
  runnerAddress: Option.some(RunnerAddress.make(host, port)),
  // One of everybody's and one of this replica.
  availableShardGroups: ["default", session],
  assignedShardGroups: ["default", session],
  shardsPerGroup: 1,
  shardLockRefreshInterval: Duration.seconds(1),
  shardLockExpiration: expiration,
  // A session that stands still would keep its advisory locks for as long as its connection lives.
  shardLockDisableAdvisory: true,
  refreshAssignmentsInterval: Duration.millis(500),
  entityTerminationTimeout: Duration.seconds(2),
  // What was there when a shard's first runner was lost is not looked for: no message is kept.
  entityMessagePollInterval: Duration.seconds(1),
  simulateRemoteSerialization: false
})

const portOf = ({ address }: SocketServer.SocketServer["Type"]) =>
  address._tag === "TcpAddress" ? address.port : 0

const sharding = (options: RunnerOptions, secret: ReplicaSecret.ReplicaSecret) =>
  Layer.unwrapEffect(
    Effect.map(SocketServer.SocketServer, (server) =>
      SocketRunner.layer.pipe(
        Layer.provide(ReplicaSocket.layerClient(secret)),
        Layer.provide(RunnerHealth.layerNoop),
        Layer.provide(MessageStorage.layerNoop),
        // Two that start in an empty database at the same time both make the tables.
        Layer.provide(
          LivingRunners.layer(options.check ?? Effect.void).pipe(
            Layer.provide(SqlRunnerStorage.layerWith({ prefix: "bulkhead_cluster" })),
            Layer.retry(Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurs(10))),
            Layer.orDie
          )
        ),
        Layer.provideMerge(ShardingConfig.layer(config(options, portOf(server))))
      )
    )
  )

/**
 * Makes this process a runner of the cluster that its database has. Only those who read that database can speak with
 * it. Fails when the port cannot be listened on, or the database not be read.
 */
export const layer = (
  options: RunnerOptions
): Layer.Layer<
  Sharding.Sharding | ShardingConfig.ShardingConfig,
  SocketServer.SocketServerError | LedgerFailure,
  SqlClient.SqlClient
> =>
  Layer.unwrapEffect(
    Effect.map(ReplicaSecret.read, (secret) =>
      sharding(options, secret).pipe(
        Layer.provide(ReplicaSocket.layerServer(secret, options)),
        Layer.provide(RpcSerialization.layerMsgPack)
      )
    )
  )
