import { type CircuitState, Gpus, type Replica } from "@bulkhead/domain"
import { GpuSupply, OwnExecutions, Replicas, StoreFailure } from "@bulkhead/sandbox"
import { Sharding, ShardingConfig } from "@effect/cluster"
import { SqlClient } from "@effect/sql"
import { Duration, Effect, Layer, Option, Schedule, Schema } from "effect"
import * as AdmissionEntity from "./AdmissionEntity.js"
import { LedgerFailure } from "./PermitLedger.js"
import type { Session } from "./Protocol.js"
import * as Tables from "./Tables.js"

/** What the others are told of this replica. */
export interface ReplicaOptions {
  readonly session: Session
  /** Of Bulkhead, that this replica runs. */
  readonly version: string
  /** Whether it asks for sandboxes. */
  readonly circuit: Effect.Effect<CircuitState>
}

/** Between two signs of life. */
const interval = Duration.seconds(1)

interface ReplicaRow {
  readonly session: string
  readonly instance: string
  readonly address: string
  readonly version: string
  readonly since: number
  readonly last_seen: number
  readonly is_silent: boolean
  readonly is_owner: boolean
  readonly circuit: CircuitState
  readonly running: number
  readonly waiting: number
  readonly gpus: string
  readonly gpus_in_use: number
}

const GpusText = Schema.parseJson(Schema.Array(Gpus))
const encodeGpus = Schema.encode(GpusText)
const decodeGpus = Schema.decode(GpusText)

const replicaOf = ({ id }: Session, row: ReplicaRow) =>
  Effect.map(
    decodeGpus(row.gpus),
    (gpus): Replica => ({
      id: row.session,
      instance: row.instance,
      address: row.address,
      version: row.version,
      since: Math.round(row.since),
      lastSeenAt: Math.round(row.last_seen),
      isSilent: row.is_silent,
      isOwner: row.is_owner && !row.is_silent,
      isAnswering: row.session === id,
      circuit: row.circuit,
      running: row.running,
      waiting: row.waiting,
      gpus,
      gpusInUse: row.gpus_in_use
    })
  )

const ownAddress = Effect.map(ShardingConfig.ShardingConfig, ({ runnerAddress }) =>
  Option.match(runnerAddress, { onNone: () => "", onSome: ({ host, port }) => `${host}:${port}` })
)

/** Has this replica give signs of life in the database that all have, as long as it lives, and lists them all. */
const make = Effect.fnUntraced(function* ({ circuit, session: self, version }: ReplicaOptions) {
  const sql = yield* SqlClient.SqlClient
  const sharding = yield* Sharding.Sharding
  const own = yield* OwnExecutions
  const address = yield* ownAddress
  const gpus = yield* encodeGpus(yield* GpuSupply)
  yield* Tables.migrate

  const sign = Effect.gen(function* () {
    const isOwner = yield* AdmissionEntity.isHere
    const waiting = (yield* own.list).filter(({ state }) => state === "queued").length
    yield* sql`INSERT INTO replicas (session, instance, address, version, is_owner, waiting, circuit, gpus)
      VALUES (${self.id}, ${self.instance}, ${address}, ${version}, ${isOwner}, ${waiting}, ${yield* circuit}, ${gpus})
      ON CONFLICT (session) DO UPDATE
        SET seen_at = now(), is_owner = excluded.is_owner, waiting = excluded.waiting,
          circuit = excluded.circuit`
  }).pipe(
    Effect.provideService(Sharding.Sharding, sharding),
    Effect.catchAllCause((cause) => Effect.logDebug("A sign of life could not be given", cause))
  )
  yield* sql`DELETE FROM replicas WHERE seen_at < now() - interval '1 day'`
  yield* Effect.addFinalizer(() => Effect.ignore(sql`DELETE FROM replicas WHERE session = ${self.id}`))
  yield* sign.pipe(Effect.repeat(Schedule.spaced(interval)), Effect.interruptible, Effect.forkScoped)

  return sql<ReplicaRow>`
    SELECT session, instance, address, version, waiting, is_owner, circuit, gpus,
      extract(epoch FROM began_at)::float8 * 1000 AS since,
      extract(epoch FROM seen_at)::float8 * 1000 AS last_seen,
      seen_at < now() - interval '5 seconds' AS is_silent,
      p.running, p.gpus_in_use
    FROM replicas r CROSS JOIN LATERAL (
      SELECT count(*)::int AS running, coalesce(sum(gpu_count), 0)::int AS gpus_in_use
      FROM admission_permits WHERE admission_permits.session = r.session
    ) p ORDER BY instance, began_at`.pipe(
    Effect.flatMap((rows) => Effect.forEach(rows, (row) => replicaOf(self, row))),
    Effect.mapError((cause) => new StoreFailure({ message: "The replicas could not be listed", cause }))
  )
})

/** The list of all replicas, this one among them. */
export const layer = (
  options: ReplicaOptions
): Layer.Layer<
  Replicas,
  LedgerFailure,
  Sharding.Sharding | ShardingConfig.ShardingConfig | OwnExecutions | SqlClient.SqlClient
> =>
  Layer.scoped(
    Replicas,
    Effect.mapError(make(options), (cause) => new LedgerFailure({ cause }))
  )
