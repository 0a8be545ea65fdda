import { TLSSocket } from "node:tls"
import { ExecutionId } from "@bulkhead/domain"
import { OwnExecutions, Peers } from "@bulkhead/sandbox"
import { MessageStorage, type Runners, ShardingConfig, SocketRunner, SqlRunnerStorage } from "@effect/cluster"
import { NodeClusterSocket } from "@effect/platform-node"
import { RpcSerialization } from "@effect/rpc"
import type { SqlClient } from "@effect/sql"
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Ref, Stream } from "effect"
import { kinds, postgresAt } from "../../store/test/Databases.js"
import { PermitLedger, type Session, SessionId } from "../src/index.js"
import * as ReplicaEntity from "../src/ReplicaEntity.js"
import * as ReplicaSecret from "../src/ReplicaSecret.js"
import * as ReplicaSocket from "../src/ReplicaSocket.js"
import * as Runner from "../src/Runner.js"

const postgres = kinds.find(({ name }) => name === "PostgreSQL")
const on = postgres === undefined ? describe.skip : describe

const sessionOf = (name: string): Session => ({ id: SessionId.make(name), instance: name })
const victim = sessionOf("victim")
const other = sessionOf("other")

/** A replica's executions, of which only the kills are real. */
const executions = (killed: Ref.Ref<ReadonlyArray<string>>) =>
  Layer.succeed(OwnExecutions, {
    kill: (executionId) =>
      Effect.as(
        Ref.update(killed, (before) => [...before, executionId]),
        true
      ),
    find: () => Effect.succeedNone,
    list: Effect.succeed([]),
    updates: () => Effect.succeed(Option.some(Stream.empty))
  } as OwnExecutions["Type"])

/** Everybody in these tests knows that the victim is there. */
const ledger = Layer.effectDiscard(
  Effect.flatMap(PermitLedger, (ledger) =>
    Effect.flatMap(ledger.open, ({ epoch }) => ledger.join(epoch, victim))
  )
).pipe(Layer.provideMerge(PermitLedger.layerMemory))

const runner = (session: Session, killed: Ref.Ref<ReadonlyArray<string>>) =>
  Layer.merge(ReplicaEntity.layer, ReplicaEntity.layerPeers(session)).pipe(
    Layer.provide(Runner.layer({ host: "127.0.0.1", port: 0, session: session.id })),
    Layer.provide(executions(killed))
  )

/** Knows where every replica is and what they say to each other, and sends it over sockets of its own kind. */
const stranger = (
  sockets: Layer.Layer<Runners.RpcClientProtocol, never, RpcSerialization.RpcSerialization>
) =>
  ReplicaEntity.layerPeers(sessionOf("stranger")).pipe(
    Layer.provide(SocketRunner.layerClientOnly),
    Layer.provide(sockets),
    Layer.provide(MessageStorage.layerNoop),
    Layer.provide(Layer.orDie(SqlRunnerStorage.layerWith({ prefix: "bulkhead_cluster" }))),
    Layer.provide(
      ShardingConfig.layer({
        availableShardGroups: ["default", victim.id],
        shardsPerGroup: 1,
        refreshAssignmentsInterval: 500
      })
    ),
    Layer.provide(RpcSerialization.layerMsgPack)
  )

const kill = (name: string) =>
  Effect.flatMap(Peers, (peers) => peers.kill(ExecutionId.make(name), { reason: "because", graceful: false }))

/** Whether both ends of some connection are among them. */
const hasBothEnds = (all: ReadonlyArray<unknown>) => {
  const sockets = all.filter((one) => one instanceof TLSSocket)
  const ways = new Set(sockets.map(({ localPort, remotePort }) => `${localPort} ${remotePort}`))
  return sockets.some(({ localPort, remotePort }) => ways.has(`${remotePort} ${localPort}`))
}

on("the socket of replicas", () => {
  it.scopedLive("takes a kill from a replica at once, and none from who has not their secret", () =>
    Effect.gen(function* () {
      const { place } = yield* Effect.orDie(postgres?.make ?? Effect.fail("no PostgreSQL"))
      const shared = yield* Layer.build(ledger)
      const killed = yield* Ref.make<ReadonlyArray<string>>([])
      const build = <A, E>(layer: Layer.Layer<A, E, PermitLedger | SqlClient.SqlClient>) =>
        Layer.build(
          layer.pipe(
            Layer.provide(Layer.fresh(postgresAt(place))),
            Layer.provide(Layer.succeedContext(shared))
          )
        )
      const setNoDelay = vi.spyOn(TLSSocket.prototype, "setNoDelay")
      yield* Effect.addFinalizer(() => Effect.sync(() => setNoDelay.mockRestore()))
      yield* build(runner(victim, killed))
      const peer = yield* build(runner(other, yield* Ref.make<ReadonlyArray<string>>([])))
      // The peer has to find out first where the victim is.
      const asPeer = (name: string) =>
        Effect.repeat(Effect.provide(kill(name), peer), { until: (was) => was, times: 10 })
      assert.isTrue(yield* asPeer("by-a-peer"))
      assert.isTrue(hasBothEnds(setNoDelay.mock.contexts))

      const secret = yield* Effect.provide(ReplicaSecret.read, postgresAt(place))
      assert.lengthOf(Redacted.value(secret), 32)
      const wrong = Redacted.make(
        Uint8Array.from(Redacted.value(secret), (byte, index) => (index === 0 ? byte ^ 1 : byte))
      )
      const ways = { plain: NodeClusterSocket.layerClientProtocol, guessed: ReplicaSocket.layerClient(wrong) }
      for (const [way, sockets] of Object.entries(ways)) {
        const context = yield* build(stranger(sockets))
        assert.isFalse(yield* Effect.provide(Effect.repeatN(kill(way), 1), context))
      }
      // The same with the secret: what a stranger lacks is that alone.
      const insider = yield* build(stranger(ReplicaSocket.layerClient(secret)))
      assert.isTrue(
        yield* Effect.provide(Effect.repeat(kill("insider"), { until: (was) => was, times: 5 }), insider)
      )
      assert.isTrue(yield* asPeer("by-a-peer"))
      assert.deepStrictEqual([...new Set(yield* Ref.get(killed))], ["by-a-peer", "insider"])
    })
  )
})
