import type { Admission, Limits, LimitsInForce, OwnExecutions, Peers, Replicas } from "@bulkhead/sandbox"
import type { SocketServer } from "@effect/platform"
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import * as AdmissionEntity from "./AdmissionEntity.js"
import type { AdmissionOwnerOptions } from "./AdmissionOwner.js"
import * as ClusterAdmission from "./ClusterAdmission.js"
import type { TalkOptions } from "./OwnerTalk.js"
import type { LedgerFailure } from "./PermitLedger.js"
import * as ReplicaEntity from "./ReplicaEntity.js"
import * as Runner from "./Runner.js"
import * as SqlPermitLedger from "./SqlPermitLedger.js"
import * as SqlReplicas from "./SqlReplicas.js"

export interface ClusterOptions
  extends TalkOptions,
    AdmissionOwnerOptions,
    SqlReplicas.ReplicaOptions,
    Omit<Runner.RunnerOptions, "session"> {}

/**
 * Makes this process one of the replicas that its PostgreSQL has: they admit executions by one set of limits, and know
 * of each other's.
 */
export const layer = (
  options: ClusterOptions
): Layer.Layer<
  Admission | Peers | Replicas,
  SocketServer.SocketServerError | LedgerFailure,
  Limits | LimitsInForce | OwnExecutions | SqlClient.SqlClient
> =>
  Layer.mergeAll(
    Layer.provide(ClusterAdmission.layer(options), AdmissionEntity.layerClient),
    ReplicaEntity.layerPeers(options.session),
    SqlReplicas.layer(options)
  ).pipe(
    Layer.provide(Layer.merge(AdmissionEntity.layer(options), ReplicaEntity.layer)),
    Layer.provide(Runner.layer({ ...options, session: options.session.id })),
    Layer.provide(SqlPermitLedger.layer)
  )
