import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ExecutionEvent, ExecutionId, type ExecutionResult, UserId } from "@bulkhead/domain"
import { type Entry, ExecutionStore, type StoreFailure } from "@bulkhead/sandbox"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { SqlClient } from "@effect/sql"
import { Console, Effect, Layer, Redacted } from "effect"
import { PostgresStore, SqlExecutionStore, SqliteStore } from "../src/index.js"

const events = [
  "execution_queued",
  "execution_started",
  "sandbox_created",
  "program_started",
  "sandbox_destroyed",
  "execution_completed"
] as const

const idOf = (number: number) => ExecutionId.make(`exec_${String(number).padStart(26, "0")}`)
const userOf = (number: number) => UserId.make(`user-${number % 97}`)

const eventsOf = (number: number): ReadonlyArray<Entry> =>
  events.map((event, index) => ({
    _tag: "Happened",
    event: {
      timestamp: 1_700_000_000_000 + number * 10 + index,
      executionId: idOf(number),
      userId: userOf(number),
      level: "info",
      event,
      message: "What happened, in a few words",
      data: { sandboxId: `sbx-${number}`, durationMs: index * 10 }
    } satisfies ExecutionEvent
  }))

const began = (number: number): Entry => ({
  _tag: "Began",
  execution: {
    executionId: idOf(number),
    userId: userOf(number),
    state: "queued",
    language: "python",
    startedAt: 1_700_000_000_000 + number * 10
  }
})

const resultOf = (number: number): ExecutionResult => ({
  executionId: idOf(number),
  success: true,
  verdict: "Completed",
  stdout: "Hello, World!\n",
  stderr: "",
  exitCode: 0,
  metrics: { executionTimeMs: 31, queueTimeMs: 0, startupTimeMs: 9, retries: 0 },
  output: { stdoutBytes: 14, stderrBytes: 0, truncated: false },
  artifacts: [],
  rejectedArtifacts: []
})

const ended = (number: number): Entry => ({
  _tag: "Ended",
  end: {
    executionId: idOf(number),
    endedAt: 1_700_000_000_050 + number * 10,
    verdict: "Completed",
    result: resultOf(number),
    usage: {
      sandboxMs: 50,
      vcpuSeconds: 0.1,
      gibSeconds: 0.1,
      gpuSeconds: 0,
      artifactBytes: 0,
      costUsd: 0.00001
    }
  }
})

const execution = (number: number) => [began(number), ...eventsOf(number), ended(number)]

const now = Effect.sync(() => performance.now())
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = yield* now
    const value = yield* effect
    return [(yield* now) - start, value] as const
  })
const quantile = (sorted: ReadonlyArray<number>, q: number) =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0).toFixed(3)
const quantiles = (times: ReadonlyArray<number>) => {
  const sorted = times.toSorted((a, b) => a - b)
  return `median ${quantile(sorted, 0.5)} ms, p99 ${quantile(sorted, 0.99)} ms, most ${quantile(sorted, 1)} ms`
}

let next = 0

/** Appends a few at a time, so that no group is full and written meanwhile. */
const appendCost = Effect.gen(function* () {
  const store = yield* ExecutionStore
  const appends = Array.from({ length: 50 }, () => eventsOf(next++).slice(0, 1))
  const one = Effect.zipLeft(timed(Effect.forEach(appends, store.append, { discard: true })), store.commit)
  const rounds = yield* Effect.replicateEffect(one, 400)
  const time = rounds.reduce((sum, [time]) => sum + time, 0)
  yield* Console.log(`append: ${((1000 * time) / (appends.length * rounds.length)).toFixed(2)} µs a call`)
})

const throughput = (count: number) =>
  Effect.gen(function* () {
    const store = yield* ExecutionStore
    const from = next
    next += count
    const [time] = yield* timed(
      Effect.forEach(
        Array.from({ length: count }, (_, index) => execution(from + index)),
        (entries) => Effect.zipRight(store.append(entries), store.commit),
        { concurrency: 50, discard: true }
      )
    )
    const perSecond = (n: number) => Math.round((1000 * n) / time).toLocaleString("en")
    yield* Console.log(
      `durable, 50 executions at a time, each waiting for its commit: ${perSecond(count * events.length)} events/s` +
        ` (${perSecond(count)} executions/s with result and usage)`
    )
  })

/** As the events of 50 executions at a time come in: those of one lie apart. */
const inBulk = Effect.gen(function* () {
  const store = yield* ExecutionStore
  for (let part = 0; part < 20; part++) {
    const executions = Array.from({ length: 50 }, () => eventsOf(next++))
    for (const index of events.keys())
      for (const entries of executions) yield* store.append(entries.slice(index, index + 1))
  }
  yield* store.commit
})

const bulk = (count: number) =>
  Effect.gen(function* () {
    const [time] = yield* timed(Effect.repeatN(inBulk, Math.ceil(count / 6000) - 1))
    const perSecond = Math.round((1000 * count) / time).toLocaleString("en")
    yield* Console.log(`durable, ${count.toLocaleString("en")} events in bulk: ${perSecond} events/s`)
  })

/** What the compiler does with code that is run for the first time is not the store's cost. */
const warmUp = 200

/** An execution's writes one by one, each after `pause`, and its commit; gives how long it waited for them. */
const writesOf = (number: number, pause: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const store = yield* ExecutionStore
    const entries = execution(number)
    const writes = [entries.slice(0, 2), ...entries.slice(2, 6).map((entry) => [entry]), entries.slice(6)]
    let waited = 0
    for (const write of writes) {
      yield* pause
      waited += (yield* timed(store.append(write)))[0]
    }
    return waited + (yield* timed(store.commit))[0]
  })

const times = <R>(count: number, one: Effect.Effect<number, StoreFailure, R>) =>
  Effect.map(
    Effect.forEach(Array.from({ length: warmUp + count }), () => one),
    (all) => all.slice(warmUp)
  )

const oneByOne = Effect.gen(function* () {
  const alone = yield* times(
    1000,
    Effect.suspend(() => writesOf(next++, Effect.void))
  )
  yield* Console.log(`one execution's writes and its commit, alone: ${quantiles(alone)}`)
  const paced = yield* times(
    200,
    Effect.suspend(() => writesOf(next++, Effect.sleep(8)))
  )
  yield* Console.log(`the same with 8 ms before each, which are not counted: ${quantiles(paced)}`)
})

const reading = Effect.gen(function* () {
  const store = yield* ExecutionStore
  const read = Effect.gen(function* () {
    const id = idOf(Math.floor(Math.random() * next))
    const [time, page] = yield* timed(store.events(id, {}))
    if (page.items.length === 0) yield* Effect.dieMessage(`no events of ${id}`)
    return time
  })
  yield* Console.log(`one execution's log: ${quantiles(yield* times(2000, read))}`)
  const [list] = yield* timed(store.list({ limit: 100 }))
  const [listOfUser] = yield* timed(store.list({ limit: 100, userId: userOf(3), verdict: "Completed" }))
  yield* Console.log(
    `100 executions: ${list.toFixed(2)} ms; of one user and verdict: ${listOfUser.toFixed(2)} ms`
  )
})

const verification = Effect.gen(function* () {
  const store = yield* ExecutionStore
  const [time, { checked, intact }] = yield* timed(store.verify)
  yield* Console.log(
    `verify: ${checked.toLocaleString("en")} events in ${(time / 1000).toFixed(1)} s, ${intact ? "intact" : "BROKEN"}`
  )
})

const rows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [counted] = yield* sql<{ bytes: number }>`SELECT SUM(bytes) AS bytes FROM chains`
  return Number(counted?.bytes)
})

const suite = (events: number) =>
  Effect.gen(function* () {
    yield* appendCost
    yield* oneByOne
    yield* throughput(5000)
    yield* bulk(120_000)
    if (events > 0) yield* bulk(events)
    yield* reading
    yield* verification
    return yield* rows
  })

const megabytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(0)} MiB`

const onSqlite = (synchronous: "normal" | "full", events: number) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(process.env.STORE_BENCH_DIR ?? tmpdir(), "store-bench-"))),
    (directory) =>
      Effect.gen(function* () {
        yield* Console.log(`\nSQLite, synchronous = ${synchronous}`)
        const counted = yield* suite(events).pipe(
          Effect.provide(
            SqlExecutionStore.layer().pipe(
              Layer.provideMerge(SqliteStore.layer({ directory, synchronous })),
              Layer.provide([NodeFileSystem.layer, NodePath.layer])
            )
          )
        )
        yield* Console.log(
          `file: ${megabytes(statSync(join(directory, "bulkhead.db")).size)}, counted: ${megabytes(counted)}`
        )
      }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

const onPostgres = (url: string) =>
  Effect.gen(function* () {
    yield* Console.log("\nPostgreSQL")
    yield* suite(0).pipe(
      Effect.provide(
        SqlExecutionStore.layer({ instance: `bench-${process.pid}` }).pipe(
          Layer.provideMerge(PostgresStore.layer({ url: Redacted.make(url) }))
        )
      )
    )
  })

const millions = Number(process.argv[2] ?? 10)

const main = Effect.gen(function* () {
  yield* onSqlite("full", 0)
  next = 0
  yield* onSqlite("normal", millions * 1_000_000)
  const url = process.env.DATABASE_URL
  next = 0
  if (url) yield* onPostgres(url)
})

await Effect.runPromise(main)
