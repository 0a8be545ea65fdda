import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { BulkheadClient, ServerSentEvents } from "@bulkhead/api"
import type { ExecutionUpdate } from "@bulkhead/domain"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Schedule, Stream } from "effect"
import * as CuttingProxy from "./CuttingProxy.js"
import * as RawConnection from "./RawConnection.js"
import * as ServerProcess from "./ServerProcess.js"

const client = (url: string) => Effect.provide(BulkheadClient.make({ url }), FetchHttpClient.layer)

const started = (settings: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    yield* ServerProcess.bundled
    const server = yield* ServerProcess.launch(settings)
    return { ...server, url: yield* server.listening }
  })

const residentMB = (pid: number) =>
  Effect.sync(() => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024)

const textOf = (updates: ReadonlyArray<ExecutionUpdate>) =>
  updates.flatMap((update) => (update.type === "stdout" ? [update.text] : [])).join("")

const resultOf = (updates: ReadonlyArray<ExecutionUpdate>) => {
  const last = updates.at(-1)
  assert(last?.type === "result", JSON.stringify(last))
  return last.result
}

/** Every byte came once and in order, and nothing twice. */
const assertWhole = (updates: ReadonlyArray<ExecutionUpdate>, expected: string) => {
  assert.isTrue(textOf(updates) === expected, `${textOf(updates).length} characters of ${expected.length}`)
  let offset = 0
  for (const update of updates) {
    assert.notStrictEqual(update.type, "missed")
    if (update.type !== "stdout") continue
    assert.strictEqual(update.offset, offset)
    offset += Buffer.byteLength(update.text)
  }
  assert.strictEqual(new Set(updates.map(({ id }) => id)).size, updates.length)
  assert.isTrue(resultOf(updates).stdout === expected)
}

/** A connection that asks for an execution's events and reads none of them until it is told to. */
const stalledReader = (url: string, executionId: string) =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect(Number(new URL(url).port), "127.0.0.1").pause()),
      (socket) => Effect.sync(() => socket.destroy())
    )
    socket.write(
      `GET /api/executions/${executionId}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`
    )
    return socket
  })

/** What a raw answer in chunks has for a body. */
const bodyOf = (answer: string) => {
  let rest = answer.slice(answer.indexOf("\r\n\r\n") + 4)
  let body = ""
  for (;;) {
    const end = rest.indexOf("\r\n")
    const size = Number.parseInt(rest.slice(0, end), 16)
    if (!(size > 0)) return body
    body += rest.slice(end + 2, end + 2 + size)
    rest = rest.slice(end + 4 + size)
  }
}

const framesOf = (body: string) =>
  Effect.map(
    Stream.runCollect(ServerSentEvents.decode(Stream.make(Buffer.from(body, "latin1")))),
    Chunk.toReadonlyArray
  )

const lines = 500
const line = (job: number, number: number) => `${job}:${number} ${"é😀x".repeat(12)}\n`
const program = (job: number) => `
import time
for i in range(${lines}):
    print(f"${job}:{i} " + "é😀x" * 12, flush=True)
    time.sleep(0.001)
`
const written = (job: number) => Array.from({ length: lines }, (_, number) => line(job, number)).join("")

const megabytes = 8
const flood = `
for i in range(${megabytes}):
    print("x" * (1024 * 1024 - 1), flush=True)
`

describe("a hundred streams", () => {
  it.live(
    "that are cut 200 times have every byte once and in order, beside one that takes nothing",
    () =>
      Effect.gen(function* () {
        const server = yield* started({
          SANDBOX_MAX_OUTPUT_BYTES: String(32 * 1024 * 1024),
          SANDBOX_MAX_STREAMS_PER_USER: "400",
          // What is garbage already must not count.
          NODE_OPTIONS: "--max-old-space-size=192"
        })
        const direct = yield* client(server.url)
        const submit = (code: string, userId: string) =>
          Effect.map(direct.streams.submit({ payload: { code, userId } }), ({ executionId }) => executionId)
        yield* Stream.runDrain(direct.stream({ code: program(9), userId: "warm" }))
        const before = yield* residentMB(server.pid)

        const flooding = yield* submit(flood, "flood")
        const stalled = yield* stalledReader(server.url, flooding)
        const proxy = yield* CuttingProxy.make(server.url, { cuts: 200, mostBytes: 20_000, seed: "streams" })
        const { updates } = yield* client(proxy.url)
        const jobs = [0, 1, 2, 3]
        const ids = yield* Effect.forEach(jobs, (job) => submit(program(job), "writers"))
        const readers = ids.flatMap((executionId, job) =>
          Array.from({ length: 25 }, () => ({ executionId, job }))
        )
        const followed = yield* Effect.forEach(
          readers,
          ({ executionId, job }) =>
            Effect.map(
              Stream.runCollect(updates(executionId, { retries: Schedule.spaced("20 millis") })),
              (seen) => ({ job, seen: [...seen] })
            ),
          { concurrency: "unbounded" }
        )
        for (const { job, seen } of followed) assertWhole(seen, written(job))
        assert.strictEqual(yield* proxy.cuts, 200)

        const flooded = [...(yield* Stream.runCollect(direct.updates(flooding)))]
        const expected = resultOf(flooded).stdout.length
        assert.isAbove(expected, 1024 * 1024)
        // What its reader has not taken is somewhere in the network, in one update, or in what is kept for all.
        assert.isBelow((yield* residentMB(server.pid)) - before, 200)

        const frames = yield* Effect.flatMap(
          Effect.zipLeft(
            Effect.fork(RawConnection.heardBytes(stalled)),
            Effect.sync(() => stalled.resume())
          ),
          (fiber) => Effect.flatMap(fiber, (heard) => framesOf(bodyOf(heard)))
        )
        const late = frames.map(({ data }): ExecutionUpdate => JSON.parse(data))
        const missed = late.flatMap((update) => (update.type === "missed" ? [update.stdout] : []))
        assert.isNotEmpty(missed)
        const skipped = missed.reduce((sum, range) => sum + (range?.to ?? 0) - (range?.from ?? 0), 0)
        assert.strictEqual(textOf(late).length + skipped, expected)
        assert.strictEqual(resultOf(late).stdout.length, expected)
      }).pipe(Effect.scoped),
    120_000
  )
})

describe("a server that ends", () => {
  const code = "import time\nprint('ready', flush=True)\ntime.sleep(100)"

  it.live(
    "by SIGTERM tells every stream what came of its execution, and waits for none that takes nothing",
    () =>
      Effect.gen(function* () {
        const server = yield* started({
          SANDBOX_KILL_GRACE_PERIOD: "1",
          SANDBOX_MAX_OUTPUT_BYTES: String(32 * 1024 * 1024)
        })
        const { streams, updates } = yield* client(server.url)
        const flooding = yield* streams.submit({ payload: { code: flood, userId: "flood" } })
        yield* stalledReader(server.url, flooding.executionId)
        const { executionId } = yield* streams.submit({ payload: { code } })
        const seen = yield* Stream.runCollect(
          Stream.tap(updates(executionId), ({ type }) =>
            type === "stdout" ? server.kill("SIGTERM") : Effect.void
          )
        )
        const { stdout, verdict } = resultOf([...seen])
        assert.deepStrictEqual([verdict, stdout], ["Killed", "ready\n"])
        const { code: exitCode, stderr } = yield* server.ended
        assert.strictEqual(exitCode, 0, stderr)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "by SIGKILL leaves streams that end, once it is back, with what came of their executions",
    () =>
      Effect.gen(function* () {
        const settings = { SANDBOX_DATA_DIR: yield* ServerProcess.temporaryDirectory }
        const first = yield* started(settings)
        const { streams, updates } = yield* client(first.url)
        const { executionId } = yield* streams.submit({ payload: { code } })
        const seen = yield* updates(executionId).pipe(
          Stream.takeUntil(({ type }) => type === "stdout"),
          Stream.runCollect
        )
        yield* first.kill("SIGKILL")
        yield* first.ended
        const second = yield* started(settings)
        const again = yield* client(second.url)
        const after = Chunk.unsafeLast(seen).id
        const rest = [...(yield* Stream.runCollect(again.updates(executionId, { after })))]
        assert.strictEqual(rest.length, 1)
        assert.strictEqual(resultOf(rest).verdict, "InternalError")
        assert.include(resultOf(rest).error?.message, "stopped before the execution ended")
      }).pipe(Effect.scoped),
    60_000
  )
})
