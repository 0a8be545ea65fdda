import { FileSystem } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Array as Arr, Duration, Effect, Number as Num, Option, Ref } from "effect"
import * as Checkout from "../Checkout.js"
import * as ClosedLoop from "../ClosedLoop.js"
import * as Interleave from "../Interleave.js"
import * as Machine from "../Machine.js"
import type { Block, Row } from "../Measurement.js"
import type { Options } from "../Options.js"
import * as ServerUnderTest from "../ServerUnderTest.js"
import * as PostgresServer from "./PostgresServer.js"
import * as Schemas from "./Schemas.js"

const alone = "without the cluster"
const one = "one replica"
const several = (count: number) => (count === 1 ? one : `${count} replicas`)

/** Programs that run at once: one, for what the cluster adds, and as many as keep two cores busy. */
const executionsAtOnce = [1, 4]
/** Permits that each replica asks for at once: one, and as many as a busy server does. */
const permitsAtOnce = [1, 32]

/** One row for each way and concurrency. */
export interface Costs {
  readonly executions: ReadonlyArray<Interleave.Measured>
  readonly permits: ReadonlyArray<Interleave.Measured>
}

/** Executions of servers that are one service, each in its turn the one that is asked. */
const serversRow = Effect.fnUntraced(function* (
  name: string,
  how: string,
  servers: Arr.NonEmptyReadonlyArray<ServerUnderTest.ServerUnderTest>
) {
  const posts = yield* Effect.forEach(servers, (server) =>
    ServerUnderTest.load(name, server, "print(1)", "1\n")
  )
  const fs = yield* FileSystem.FileSystem
  const cpuMs = Effect.forEach(servers, ({ pid }) => Machine.cpuMs(pid)).pipe(
    Effect.map(Num.sumAll),
    Effect.provideService(FileSystem.FileSystem, fs)
  )
  const turns = yield* Ref.make(0)
  const row: Row = {
    name,
    how,
    run: (concurrency, duration) =>
      Effect.flatMap(
        Ref.getAndUpdate(turns, (turn) => turn + 1),
        (turn) => Machine.withCpuMs((posts[turn % posts.length] ?? posts[0])(concurrency, duration), cpuMs)
      )
  }
  return row
})

const servers = (count: number, settings: Readonly<Record<string, string>>) =>
  Effect.all(
    Arr.makeBy(count, () => ServerUnderTest.start(Checkout.ours, Checkout.serverBundle, settings)),
    { concurrency: "unbounded" }
  )

const aloneRow = Effect.fnUntraced(function* (database: string) {
  const DATABASE_URL = yield* Schemas.make(database, "alone")
  return yield* serversRow(alone, "a server by itself on PostgreSQL", yield* servers(1, { DATABASE_URL }))
})

const clusterRow = Effect.fnUntraced(function* (database: string, count: number) {
  const DATABASE_URL = yield* Schemas.make(database, `servers${count}`)
  const all = yield* servers(count, { DATABASE_URL, SANDBOX_CLUSTER: "on" })
  return yield* serversRow(several(count), "asked in turns, on the same PostgreSQL", all)
})

/** All of them at once. */
const together = (blocks: ReadonlyArray<Block>): Block => ({
  latencies: blocks.flatMap(({ latencies }) => latencies),
  wallMs: Math.max(...blocks.map(({ wallMs }) => wallMs)),
  cpuMs: Num.sumAll(blocks.map(({ cpuMs = 0 }) => cpuMs))
})

/** Permits of so many replicas, each a process of its own, that are got and given back. */
const permitsRow = Effect.fnUntraced(function* (database: string, count: number) {
  const url = yield* Schemas.make(database, `permits${count}`)
  const name = several(count)
  const replicas = yield* Effect.replicateEffect(ClosedLoop.admitting(name, Checkout.bench, url), count)
  const row: Row = {
    name,
    how: "permits that are got and given back, without sandboxes",
    run: (concurrency, duration) =>
      Effect.map(
        Effect.forEach(replicas, (replica) => replica(concurrency, duration), { concurrency: "unbounded" }),
        together
      )
  }
  return row
})

/** Compares rows that are warm: before they count, each runs as often as it stands in `warmUps`. */
const compared = Effect.fnUntraced(function* (
  rows: ReadonlyArray<Row>,
  warmUps: ReadonlyArray<Row>,
  concurrencies: ReadonlyArray<number>,
  base: string,
  { blockMs, rounds, warmUpMs }: Options
) {
  const [most = 1] = concurrencies.slice(-1)
  yield* Interleave.warmUp(warmUps, most, Duration.millis(warmUpMs))
  const samples = yield* Interleave.run(rows, concurrencies, rounds, Duration.millis(blockMs))
  return Interleave.compare(samples, base)
})

/**
 * What being one of several costs: executions beside those of a server by itself, and permits alone. Nothing where
 * PostgreSQL is not installed.
 */
export const measure = Effect.fn("ClusterCost.measure")(
  function* (options: Options) {
    const found = yield* PostgresServer.start()
    if (Option.isNone(found)) return undefined
    const database = found.value
    const cost = Effect.scoped(
      Effect.gen(function* () {
        const counts = Arr.dedupe([1, Math.max(...options.replicas)])
        const base = yield* aloneRow(database)
        const clusters = yield* Effect.forEach(counts, (count) => clusterRow(database, count))
        // Each turn is another replica's, and a cold one would measure the compiler.
        const warmUps = [
          base,
          ...Arr.zipWith(clusters, counts, (row, count) => Arr.replicate(row, count)).flat()
        ]
        return yield* compared([base, ...clusters], warmUps, executionsAtOnce, alone, options)
      })
    )
    const permits = Effect.scoped(
      Effect.gen(function* () {
        const rows = yield* Effect.forEach(options.replicas, (count) => permitsRow(database, count))
        return yield* compared(rows, rows, permitsAtOnce, one, options)
      })
    )
    const costs: Costs = { executions: yield* cost, permits: yield* permits }
    return costs
  },
  Effect.scoped,
  Effect.provide(NodeHttpClient.layer)
)

/** Milliseconds that the cluster adds to the median execution, one at a time, by how many replicas there are. */
export const added = ({ executions }: Costs) => {
  const single = executions.filter(({ concurrency }) => concurrency === 1)
  const base = single.find(({ row }) => row === alone)?.p50 ?? Number.NaN
  return single.filter(({ row }) => row !== alone).map(({ p50, row }) => ({ row, ms: p50 - base }))
}
