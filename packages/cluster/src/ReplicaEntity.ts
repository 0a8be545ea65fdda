import { ExecutionId, ExecutionSummary, ExecutionUpdate, UpdateId } from "@bulkhead/domain"
import { OwnExecutions, Peers } from "@bulkhead/sandbox"
import { ClusterSchema, Entity, type Sharding } from "@effect/cluster"
import { Rpc } from "@effect/rpc"
import { Duration, Effect, Layer, Option, Schema, Stream } from "effect"
import { PermitLedger } from "./PermitLedger.js"
import type { Session, SessionId } from "./Protocol.js"

/** Every replica as an entity, in a group of shards that it alone has, named by its session. */
const ReplicaEntity = Entity.make("BulkheadReplica", [
  Rpc.make("Kill", {
    payload: { executionId: ExecutionId, reason: Schema.String, graceful: Schema.Boolean },
    success: Schema.Boolean
  }),
  Rpc.make("Find", {
    payload: { executionId: ExecutionId },
    success: Schema.Option(ExecutionSummary)
  }),
  Rpc.make("List", { success: Schema.Array(ExecutionSummary) }),
  Rpc.make("Updates", {
    payload: { executionId: ExecutionId, after: Schema.Option(UpdateId) },
    success: ExecutionUpdate,
    stream: true
  })
]).annotate(ClusterSchema.ShardGroup, (session) => session)

/** How long another replica has to answer. One that stands still or is gone says nothing. */
const answerBound = Duration.seconds(2)

const handlers = Effect.map(OwnExecutions, (own) =>
  ReplicaEntity.of({
    Kill: ({ payload: { executionId, ...request } }) => own.kill(executionId, request),
    Find: ({ payload }) => own.find(payload.executionId),
    List: () => own.list,
    Updates: ({ payload: { after, executionId } }) =>
      Stream.unwrap(
        Effect.map(
          own.updates(executionId, Option.getOrUndefined(after)),
          Option.getOrElse(() => Stream.empty)
        )
      )
  })
)

/** Lets other replicas ask this one for what waits and runs here. */
export const layer: Layer.Layer<never, never, Sharding.Sharding | OwnExecutions> = ReplicaEntity.toLayer(
  handlers,
  {
    maxIdleTime: "1 day",
    concurrency: "unbounded"
  }
)

/** Asks every other replica that may live. */
export const layerPeers = (self: Session): Layer.Layer<Peers, never, Sharding.Sharding | PermitLedger> =>
  Layer.effect(
    Peers,
    Effect.gen(function* () {
      const ledger = yield* PermitLedger
      const client = yield* ReplicaEntity.client
      const others = ledger.sessions.pipe(
        Effect.map((sessions) => sessions.map(({ id }) => id).filter((id) => id !== self.id)),
        Effect.catchAll((failure) => Effect.as(Effect.logWarning(failure), []))
      )

      const bounded = <A>(id: SessionId, call: Effect.Effect<A, unknown>) =>
        call.pipe(
          Effect.disconnect,
          Effect.interruptible,
          Effect.timeout(answerBound),
          Effect.asSome,
          Effect.catchAllCause((cause) =>
            Effect.as(Effect.logDebug(`The replica ${id} gave no answer`, cause), Option.none<A>())
          )
        )
      /** The answers of those who gave one. */
      const askAll = <A>(call: (id: SessionId) => Effect.Effect<A, unknown>) =>
        Effect.flatMap(others, (all) =>
          Effect.map(
            Effect.forEach(
              all,
              (id) =>
                bounded(
                  id,
                  Effect.map(call(id), (answer) => [id, answer] as const)
                ),
              {
                concurrency: "unbounded"
              }
            ),
            (answers) => answers.flatMap(Option.toArray)
          )
        )
      const find = (executionId: ExecutionId) =>
        Effect.map(
          askAll((id) => client(id).Find({ executionId })),
          (answers) =>
            answers.flatMap(([id, found]) => (Option.isSome(found) ? [[id, found.value] as const] : []))
        )

      return {
        kill: (executionId, request) =>
          Effect.map(
            askAll((id) => client(id).Kill({ executionId, ...request })),
            (answers) => answers.some(([, had]) => had)
          ),
        find: (executionId) =>
          Effect.map(find(executionId), ([first]) =>
            Option.map(Option.fromNullable(first), ([, found]) => found)
          ),
        list: Effect.map(
          askAll((id) => client(id).List()),
          (answers) => answers.flatMap(([, list]) => list)
        ),
        updates: (executionId, after) =>
          Effect.map(find(executionId), ([first]) =>
            Option.map(Option.fromNullable(first), ([id]) =>
              client(id)
                .Updates({ executionId, after: Option.fromNullable(after) })
                .pipe(
                  Stream.catchAllCause((cause) =>
                    Stream.drain(Stream.fromEffect(Effect.logDebug(`The replica ${id} was lost`, cause)))
                  )
                )
            )
          )
      }
    })
  )
