import type { ExecutionRecord } from "@bulkhead/domain"
import { ExecutionEnded, ExecutionId, ExecutionNotFound, UserId } from "@bulkhead/domain"
import { type ExecutionQuery, StoreFailure } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { alice, aliceKey, asAdmin, bearer, callerKeys, json, send } = TestServer

const asAlice = bearer(aliceKey)
const asBob = bearer("the-key-of-bob")

const waiting: ExecutionRecord = {
  executionId: Stub.executionId,
  userId: alice,
  state: "queued",
  language: "python",
  startedAt: 1,
  ahead: 3
}
const ended: ExecutionRecord = {
  executionId: ExecutionId.make("exec_2"),
  userId: alice,
  state: "ended",
  startedAt: 1,
  endedAt: 2,
  verdict: "Completed",
  result: Stub.completed
}

/** What the service was asked. */
const recorded = () => {
  const queries: Array<ExecutionQuery> = []
  const kills: Array<readonly [string, string | undefined]> = []
  const service = Stub.layer({
    getExecution: (id) =>
      Effect.fromNullable([waiting, ended].find(({ executionId }) => executionId === id)).pipe(
        Effect.mapError(() => new ExecutionNotFound({ executionId: id }))
      ),
    listExecutions: (query = {}) =>
      Effect.sync(() => {
        queries.push(query)
        return { items: [waiting], nextCursor: "more" }
      }),
    killExecution: (id, reason) =>
      id === waiting.executionId
        ? Effect.sync(() => void kills.push([id, reason]))
        : new ExecutionEnded({ executionId: id })
  })
  return { queries, kills, service }
}

const one = `/api/executions/${waiting.executionId}`
const kill = (path: string, headers: Readonly<Record<string, string>>, body?: unknown) =>
  send(`${path}/kill`, {
    method: "POST",
    headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })

describe("executions of one's own", () => {
  it.effect("are told with the places ahead, and with the result when they have ended", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* send(one, { headers: asAlice })), waiting)
      const last = yield* send(`/api/executions/${ended.executionId}`, { headers: asAlice })
      assert.deepStrictEqual(json(last), ended)
      assert.strictEqual((yield* send(`${one}?x=1`, { headers: asAlice })).status, 400)
    }).pipe(Effect.provide(TestServer.layer(recorded().service, { callerKeys })))
  )

  it.effect("of somebody else are told apart from unknown ones in nothing but the id", () =>
    Effect.gen(function* () {
      const paths = ["", "/kill", "/artifacts", "/artifacts.zip", "/artifacts/a.txt"]
      for (const path of paths) {
        const method = path === "/kill" ? "POST" : "GET"
        const another = yield* send(`${one}${path}`, { method, headers: asBob })
        const unknown = yield* send(`/api/executions/exec_9${path}`, { method, headers: asBob })
        assert.deepStrictEqual([another.status, unknown.status], [404, 404], path)
        assert.strictEqual(another.text.replaceAll(waiting.executionId, "exec_9"), unknown.text)
      }
      const odd = yield* send(`/api/executions/${"x".repeat(900)}`, { headers: asBob })
      assert.strictEqual(odd.status, 404)
      assert.isBelow(odd.text.length, 400)
    }).pipe(Effect.provide(TestServer.layer(recorded().service, { callerKeys })))
  )

  it.effect("are listed for the key's user, whoever else is asked for", () => {
    const { queries, service } = recorded()
    return Effect.gen(function* () {
      const mine = yield* send("/api/executions?state=ended&limit=2&cursor=c&from=1", { headers: asAlice })
      assert.deepStrictEqual(json(mine), { executions: [waiting], nextCursor: "more" })
      const bobs = yield* send("/api/executions?userId=bob", { headers: asAlice })
      assert.deepStrictEqual(json(bobs), { executions: [] })
      yield* send("/api/executions?userId=alice", { headers: asAlice })
      yield* send("/api/executions", { headers: asAdmin })
      yield* send("/api/executions?userId=bob", { headers: asAdmin })
      assert.deepStrictEqual(queries, [
        { userId: alice, state: "ended", limit: 2, cursor: "c", from: 1 },
        { userId: alice },
        {},
        { userId: UserId.make("bob") }
      ])
      const wrong = yield* send("/api/executions?limit=0", { headers: asAlice })
      assert.strictEqual(wrong.status, 400)
      assert.match(json(wrong).error.message, /^limit: /)
    }).pipe(Effect.provide(TestServer.layer(service, { callerKeys })))
  })

  it.effect("are all listed where callers need no key, or those of the user that is named", () => {
    const { queries, service } = recorded()
    return Effect.gen(function* () {
      assert.strictEqual((yield* send("/api/executions")).status, 200)
      assert.strictEqual((yield* send("/api/executions?userId=bob")).status, 200)
      assert.deepStrictEqual(queries, [{}, { userId: UserId.make("bob") }])
    }).pipe(Effect.provide(TestServer.layer(service)))
  })

  it.effect("are ended by their user or the operator, and the reason says who asked", () => {
    const { kills, service } = recorded()
    return Effect.gen(function* () {
      const answer = yield* kill(one, asAlice)
      assert.deepStrictEqual([answer.status, json(answer)], [200, { success: true }])
      assert.strictEqual((yield* kill(one, asAlice, { reason: "wrong input" })).status, 200)
      assert.strictEqual((yield* kill(one, asAdmin, {})).status, 200)
      assert.strictEqual((yield* kill(one, asAdmin, { reason: "too dear" })).status, 200)
      const withoutBody = { ...asAlice, "content-type": "application/json" }
      assert.strictEqual((yield* kill(one, withoutBody)).status, 200)
      assert.deepStrictEqual(
        kills.map(([, reason]) => reason),
        [
          "user_request",
          "user_request: wrong input",
          "admin_request",
          "admin_request: too dear",
          "user_request"
        ]
      )
      const late = yield* kill(`/api/executions/${ended.executionId}`, asAlice)
      assert.deepStrictEqual([late.status, json(late).error.code], [409, "CONFLICT"])
      for (const body of [{ reason: "" }, { reason: "x".repeat(201) }, { why: "x" }, "x"]) {
        assert.strictEqual((yield* kill(one, asAlice, body)).status, 400)
      }
      assert.lengthOf(kills, 5)
    }).pipe(Effect.provide(TestServer.layer(service, { callerKeys })))
  })

  it.effect("cannot be read while the store cannot", () =>
    Effect.gen(function* () {
      const requests = [send("/api/executions", { headers: asAlice }), send(one, { headers: asAlice })]
      for (const answer of yield* Effect.all([...requests, kill(one, asAlice)])) {
        assert.strictEqual(answer.status, 503)
        assert.strictEqual(answer.headers.get("retry-after"), "5")
        assert.include(json(answer).error, { code: "RECORD_UNAVAILABLE", retryable: true })
        assert.notInclude(answer.text, "/var/lib")
      }
    }).pipe(
      Effect.provide(
        TestServer.layer(
          Stub.layer({
            getExecution: () => new StoreFailure({ message: "EIO at /var/lib/bulkhead" }),
            listExecutions: () => new StoreFailure({ message: "EIO at /var/lib/bulkhead" })
          }),
          { callerKeys }
        )
      )
    )
  )
})
