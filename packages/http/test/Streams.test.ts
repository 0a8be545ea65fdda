import { connect } from "node:net"
import { ServerSentEvents } from "@bulkhead/api"
import { ArtifactStore } from "@bulkhead/artifacts"
import {
  defaultLimits,
  ExecutionNotFound,
  type ExecutionUpdate,
  QuotaExceeded,
  UpdateId,
  UserId
} from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { FetchHandler } from "../src/index.js"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { completed, executionId } = Stub
const { adminToken, aliceKey, bearer, callerKeys } = TestServer
const id = (text: string) => UpdateId.make(text)

const updates: Array<ExecutionUpdate> = [
  { type: "started", id: id("0-1-0-0-0-0"), executionId },
  { type: "stdout", id: id("0-1-3-0-0-0"), offset: 0, text: "hi\n" },
  { type: "result", id: id("end"), result: completed }
]

const summary = { executionId, userId: UserId.make("alice"), state: "running", startedAt: 0 } as const

const serve = (service: Parameters<typeof Stub.layer>[0]) =>
  Effect.provide(
    TestServer.layer(
      Stub.layer({
        begin: () => Effect.succeed({ summary, updates: Stream.fromIterable(updates) }),
        submit: () => Effect.succeed(summary),
        getExecution: (asked) =>
          asked === executionId
            ? Effect.succeed(summary)
            : new ExecutionNotFound({ executionId: asked.toString() }),
        getUserMetrics: () =>
          Effect.succeed({
            activeExecutions: 1,
            queuedExecutions: 0,
            utilizationPercent: 0,
            artifactBytes: 0,
            gpusInUse: 0,
            openStreams: 0,
            uploadBytes: 0
          }),
        updates: () => Stream.fromIterable(updates),
        ...service
      }),
      { callerKeys }
    )
  )

const asAlice = bearer(aliceKey)
const asBob = bearer("the-key-of-bob")

const framesOf = (text: string) =>
  Effect.map(
    Stream.runCollect(ServerSentEvents.decode(Stream.make(new TextEncoder().encode(text)))),
    Chunk.toReadonlyArray
  )

const eventsPath = `/api/executions/${executionId}/events`
const events = (headers: Readonly<Record<string, string>> = asAlice, path = eventsPath) =>
  TestServer.send(path, { headers })

const asEvents = { accept: "text/event-stream" }

describe("POST /api/execute with Accept: text/event-stream", () => {
  it.effect("tells every update as an event", () =>
    Effect.gen(function* () {
      const answer = yield* TestServer.execute({ code: "x" }, { ...asAlice, ...asEvents })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers.get("content-type"), "text/event-stream")
      assert.strictEqual(answer.headers.get("cache-control"), "no-store")
      const frames = yield* framesOf(answer.text)
      assert.deepStrictEqual(
        frames.map(({ event, id }) => [event, id]),
        updates.map(({ id, type }) => [type, id])
      )
      assert.deepStrictEqual(
        frames.map(({ data }) => JSON.parse(data)),
        updates
      )
    }).pipe(serve({}))
  )

  it.effect("answers a refusal as ever", () =>
    Effect.gen(function* () {
      const answer = yield* TestServer.execute({ code: "x" }, { ...asAlice, ...asEvents })
      assert.strictEqual(answer.status, 429)
      assert.strictEqual(answer.headers.get("retry-after"), "7")
      assert.strictEqual(TestServer.json(answer).error.code, "QUOTA_EXCEEDED")
    }).pipe(serve({ begin: () => new QuotaExceeded({ executionId, message: "too many", retryAfter: 7 }) }))
  )

  it.effect("gives one answer to who takes anything", () =>
    Effect.gen(function* () {
      for (const accept of ["*/*", "application/json", "text/event-streams-not"]) {
        const answer = yield* TestServer.execute({ code: "x" }, { ...asAlice, accept })
        assert.match(answer.headers.get("content-type") ?? "", /json/, accept)
      }
      const both = { accept: "application/json;q=0.5, text/event-stream" }
      const answer = yield* TestServer.execute({ code: "x" }, { ...asAlice, ...both })
      assert.strictEqual(answer.headers.get("content-type"), "text/event-stream")
    }).pipe(serve({ execute: () => Effect.succeed(completed) }))
  )
})

describe("POST /api/executions", () => {
  it.effect("answers 202 with the id, and where the execution is", () =>
    Effect.gen(function* () {
      const answer = yield* TestServer.send("/api/executions", {
        method: "POST",
        headers: { "content-type": "application/json", ...asAlice },
        body: '{"code":"x"}'
      })
      assert.strictEqual(answer.status, 202)
      assert.deepStrictEqual(TestServer.json(answer), { executionId, state: "running" })
      assert.strictEqual(answer.headers.get("location"), `/api/executions/${executionId}`)
      const without = yield* TestServer.send("/api/executions", { method: "POST" })
      assert.strictEqual(without.status, 401)
    }).pipe(serve({}))
  )

  it.effect("answers a refusal with its status", () =>
    Effect.gen(function* () {
      const answer = yield* TestServer.send("/api/executions", {
        method: "POST",
        headers: { "content-type": "application/json", ...asAlice },
        body: '{"code":"x"}'
      })
      assert.strictEqual(answer.status, 429)
      assert.strictEqual(TestServer.json(answer).verdict, "Rejected")
    }).pipe(serve({ submit: () => new QuotaExceeded({ executionId, message: "too many", retryAfter: 7 }) }))
  )
})

describe("GET /api/executions/:id/events", () => {
  it.effect("is for the execution's user and the operator; who else asks is told there is none", () =>
    Effect.gen(function* () {
      for (const headers of [asAlice, bearer(adminToken)]) {
        assert.strictEqual((yield* framesOf((yield* events(headers)).text)).length, updates.length)
      }
      const [other, unknown, malformed] = yield* Effect.all([
        events(asBob),
        events(asBob, "/api/executions/exec_2/events"),
        events(asBob, "/api/executions/exec%20x/events")
      ])
      // The id that was asked for is all that differs.
      assert.deepStrictEqual([unknown.status, unknown.text], [404, other.text.replace("exec_1", "exec_2")])
      assert.deepStrictEqual(
        [malformed.status, malformed.text],
        [404, other.text.replace("exec_1", "exec x")]
      )
      assert.strictEqual(other.status, 404)
      assert.strictEqual((yield* events({})).status, 401)
      assert.strictEqual((yield* events(bearer("wrong"))).status, 401)
    }).pipe(serve({}))
  )

  it.effect("reads on after the last event that was seen, the header's before the parameter's", () =>
    Effect.gen(function* () {
      const asked = (headers: object, query = "") =>
        Effect.map(events({ ...asAlice, ...headers }, `${eventsPath}${query}`), ({ text }) => text)
      assert.include(yield* asked({}), "after undefined")
      assert.include(yield* asked({ "last-event-id": "0-1-2-3-4-0" }), "after 0-1-2-3-4-0")
      assert.include(yield* asked({}, "?after=0-1-2-3-4-0"), "after 0-1-2-3-4-0")
      assert.include(yield* asked({ "last-event-id": "" }, "?after=0-1-2-3-4-0"), "after 0-1-2-3-4-0")
      assert.include(
        yield* asked({ "last-event-id": "1-0-0-0-0-0" }, "?after=0-1-2-3-4-0"),
        "after 1-0-0-0-0-0"
      )
    }).pipe(
      serve({
        updates: (_, options) =>
          Stream.make({
            type: "stdout",
            id: id("0-0-1-0-0-0"),
            offset: 0,
            text: `after ${options?.after}`
          } as const)
      })
    )
  )

  it.effect("answers nothing after the last event, and names what is malformed", () =>
    Effect.gen(function* () {
      const ended = yield* events({ ...asAlice, "last-event-id": "end" })
      assert.deepStrictEqual([ended.status, ended.text], [204, ""])
      assert.isNull(ended.headers.get("content-length"))
      for (const path of [
        `${eventsPath}?after=5`,
        `${eventsPath}?afer=1`,
        `${eventsPath}?after=${"9".repeat(9000)}`
      ]) {
        const answer = yield* events(asAlice, path)
        assert.strictEqual(answer.status, 400, path)
        assert.strictEqual(TestServer.json(answer).error.code, "INVALID_REQUEST")
        assert.isBelow(answer.text.length, 1000)
      }
      const header = yield* events({ ...asAlice, "last-event-id": "x" })
      assert.strictEqual(header.status, 400)
      assert.match(TestServer.json(header).error.message, /last-event-id: expected the id of an update/)
    }).pipe(serve({}))
  )

  it.effect("refuses more streams of one user than the limits allow", () =>
    Effect.gen(function* () {
      const answer = yield* events()
      assert.strictEqual(answer.status, 429)
      assert.strictEqual(answer.headers.get("retry-after"), "5")
      assert.match(TestServer.json(answer).error.message, /2 streams at once/)
    }).pipe(
      serve({
        limits: Effect.succeed({ ...defaultLimits, maxStreamsPerUser: 2 }),
        getUserMetrics: () =>
          Effect.succeed({
            activeExecutions: 1,
            queuedExecutions: 0,
            utilizationPercent: 0,
            artifactBytes: 0,
            gpusInUse: 0,
            openStreams: 2,
            uploadBytes: 0
          })
      })
    )
  )
})

/** What is answered to streams that are asked for at once, each on a connection of its own. */
const openAtOnce = (count: number) =>
  Effect.gen(function* () {
    const { url } = yield* TestServer.TestServer
    const request = `GET ${eventsPath} HTTP/1.1\r\nHost: x\r\nAuthorization: ${asAlice.authorization}\r\n\r\n`
    const open = Effect.acquireRelease(
      Effect.sync(() => connect(Number(new URL(url).port), "127.0.0.1")),
      (socket) => Effect.sync(() => socket.destroy())
    )
    const first = (socket: ReturnType<typeof connect>) =>
      Effect.async<string>((resume) => {
        socket.once("data", (bytes) => resume(Effect.succeed(String(bytes).slice(9, 12))))
        socket.write(request)
      })
    const sockets = yield* Effect.replicateEffect(open, count)
    return yield* Effect.forEach(sockets, first, { concurrency: "unbounded" })
  }).pipe(Effect.scoped)

describe("streams that are opened at once", () => {
  it.effect("are no more than the limits allow", () =>
    Effect.gen(function* () {
      const statuses = yield* openAtOnce(6)
      assert.strictEqual(statuses.filter((status) => status === "200").length, 2)
      assert.strictEqual(statuses.filter((status) => status === "429").length, 4)
    }).pipe(
      serve({
        limits: Effect.succeed({ ...defaultLimits, maxStreamsPerUser: 2 }),
        updates: () => Stream.never
      })
    )
  )
})

/** Updates that never come, and what completes when nobody waits for them any more. */
const silent = Effect.map(Deferred.make<void>(), (left) => ({
  left: Deferred.await(left),
  updates: () => Stream.ensuring(Stream.never, Deferred.succeed(left, undefined))
}))

describe("a stream on which nothing happens", () => {
  it.scoped("is kept alive, and ends when its reader leaves", () =>
    Effect.gen(function* () {
      const { left, updates } = yield* silent
      const heard = Effect.gen(function* () {
        const { url } = yield* TestServer.TestServer
        const socket = connect(Number(new URL(url).port), "127.0.0.1")
        const pieces = Stream.fromAsyncIterable(socket, (error) => error).pipe(
          Stream.map((bytes) => String(bytes)),
          Stream.filter((text) => text.includes(ServerSentEvents.comment))
        )
        socket.write(`GET ${eventsPath} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${aliceKey}\r\n\r\n`)
        const first = yield* Deferred.make<void>()
        const two = yield* Effect.fork(
          Stream.runCollect(
            Stream.take(
              Stream.tap(pieces, () => Deferred.succeed(first, undefined)),
              2
            )
          )
        )
        yield* Deferred.await(first)
        yield* TestClock.adjust("15 seconds")
        yield* Fiber.join(two)
        socket.destroy()
        yield* left
      })
      yield* heard.pipe(serve({ updates }))
    })
  )
})

describe("a reader who takes nothing any more", () => {
  it.scoped("is cut off after some minutes", () =>
    Effect.gen(function* () {
      const left = yield* Deferred.make<void>()
      const text = "x".repeat(65_536)
      const endless = Stream.ensuring(
        Stream.forever(Stream.make({ type: "stdout", id: id("0-0-0-0-0-0"), offset: 0, text } as const)),
        Deferred.succeed(left, undefined)
      )
      const stalled = Effect.gen(function* () {
        const { url } = yield* TestServer.TestServer
        const socket = connect(Number(new URL(url).port), "127.0.0.1")
        socket.on("error", () => undefined)
        socket.write(`GET ${eventsPath} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${aliceKey}\r\n\r\n`)
        yield* Effect.raceFirst(Deferred.await(left), Effect.forever(TestClock.adjust("15 seconds")))
        yield* Effect.sync(() => socket.destroy())
      })
      yield* stalled.pipe(serve({ updates: () => endless }))
    })
  )
})

describe("a fetch handler", () => {
  const handlerOf = (service: Layer.Layer<SandboxService>) =>
    Effect.acquireRelease(
      Effect.sync(() => FetchHandler.make(Layer.merge(service, ArtifactStore.layerMemory))),
      ({ dispose }) => Effect.promise(dispose)
    )
  const env = { ADMIN_API_TOKEN: adminToken, SANDBOX_API_KEYS: `alice:${aliceKey}` }
  const request = new Request("https://bulkhead.example/api/execute", {
    method: "POST",
    headers: { "content-type": "application/json", ...asAlice, ...asEvents },
    body: '{"code":"x"}'
  })

  it.scoped("tells the same", () =>
    Effect.gen(function* () {
      const { handler } = yield* handlerOf(
        Stub.layer({ begin: () => Effect.succeed({ summary, updates: Stream.fromIterable(updates) }) })
      )
      const response = yield* Effect.promise(() => handler(request.clone(), env))
      const frames = yield* framesOf(yield* Effect.promise(() => response.text()))
      assert.deepStrictEqual(
        frames.map(({ data }) => JSON.parse(data)),
        updates
      )
    })
  )

  it.scoped("ends the stream of a reader who leaves", () =>
    Effect.gen(function* () {
      const { left, updates } = yield* silent
      const { handler } = yield* handlerOf(
        Stub.layer({ begin: () => Effect.succeed({ summary, updates: updates() }) })
      )
      const response = yield* Effect.promise(() => handler(request.clone(), env))
      const reader = response.body?.getReader()
      assert.strictEqual(
        new TextDecoder().decode((yield* Effect.promise(async () => reader?.read()))?.value),
        ServerSentEvents.comment
      )
      yield* Effect.promise(async () => reader?.cancel())
      yield* left
    })
  )
})
