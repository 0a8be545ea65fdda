import { LimitsSchema } from "@bulkhead/domain"
import type { Limits } from "@bulkhead/sandbox"
import { Entity, EntityId, Sharding } from "@effect/cluster"
import { Rpc } from "@effect/rpc"
import { Context, Effect, Layer, Schedule, ScopedRef } from "effect"
import { AdmissionOwner, type AdmissionOwnerOptions } from "./AdmissionOwner.js"
import { OwnerClient } from "./OwnerClient.js"
import type { PermitLedger } from "./PermitLedger.js"
import { Look, NotOwner, Seen, Sync, SyncAnswer } from "./Protocol.js"

/** Admission as an entity: the cluster has one, or for a moment two of which the ledger believes the newest. */
const AdmissionEntity = Entity.make("BulkheadAdmission", [
  Rpc.make("Sync", { payload: Sync, success: SyncAnswer, error: NotOwner }),
  Rpc.make("Look", { payload: Look, success: Seen, error: NotOwner }),
  Rpc.make("Adjust", { payload: { values: LimitsSchema }, error: NotOwner })
])

/** There is one for everybody. */
const entityId = "all"

/** Whether this runner owns admission, as far as it knows. */
export const isHere = Effect.map(Sharding.Sharding, (sharding) =>
  sharding.hasShardId(sharding.getShardId(EntityId.make(entityId), "default"))
)

/** An owner that was deposed and is asked for so long after that is to be the owner again. */
const comeback = "5 seconds"

const build = (options: AdmissionOwnerOptions) =>
  Effect.map(Layer.build(AdmissionOwner.layer(options)), (context) =>
    Context.get(context, AdmissionOwner)
  ).pipe(
    Effect.tapError((failure) => Effect.logWarning(failure)),
    Effect.retry(Schedule.spaced("500 millis")),
    Effect.orDie,
    // `ScopedRef` lets nothing interrupt it, and the ledger's database may stay away.
    Effect.interruptible
  )

const handlers = Effect.fnUntraced(function* (options: AdmissionOwnerOptions) {
  const owner = yield* ScopedRef.fromAcquire(build(options))
  const current = <A, E>(ask: (owner: AdmissionOwner["Type"]) => Effect.Effect<A, E>) =>
    Effect.flatMap(ScopedRef.get(owner), ask)
  // Where another runner has the shard, this ends before it comes to that.
  const comeBack = Effect.zipRight(
    Effect.flatMap(ScopedRef.get(owner), ({ deposed }) => deposed),
    Effect.delay(ScopedRef.set(owner, build(options)), comeback)
  )
  yield* Effect.forkScoped(Effect.forever(comeBack))
  return AdmissionEntity.of({
    Sync: ({ payload }) => current(({ sync }) => sync(payload)),
    Look: ({ payload }) => current(({ look }) => look(payload)),
    Adjust: ({ payload }) => current(({ adjust }) => adjust(payload.values))
  })
})

/** Lets this runner own admission when the cluster says so. */
export const layer = (
  options: AdmissionOwnerOptions = {}
): Layer.Layer<never, never, Sharding.Sharding | Limits | PermitLedger> =>
  AdmissionEntity.toLayer(handlers(options), { maxIdleTime: "1 day", concurrency: "unbounded" })

/** Whatever went wrong at the owner or on the way to it. */
const reached = <A>(call: Effect.Effect<A, unknown>): Effect.Effect<A, NotOwner> =>
  Effect.catchAllCause(call, (cause) => new NotOwner({ reason: String(cause) }))

/** Reaches the owner through the cluster. */
export const layerClient: Layer.Layer<OwnerClient, never, Sharding.Sharding> = Layer.effect(
  OwnerClient,
  Effect.map(AdmissionEntity.client, (client) => {
    const owner = client(entityId)
    return {
      sync: (told) => reached(owner.Sync(told)),
      look: (at) => reached(owner.Look(at)),
      adjust: (values) => reached(owner.Adjust({ values }))
    }
  })
)
