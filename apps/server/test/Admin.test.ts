import {
  defaultLimits,
  ExecutionEnded,
  type ExecutionEvent,
  ExecutionNotFound,
  type ExecutionRecord,
  type ExecutionSummary,
  LimitsRefused,
  type SystemMetrics,
  type UserMetrics
} from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { executionId } = Stub
const { alice, asAdmin, bearer, json, send } = TestServer

const serve = (service: Parameters<typeof Stub.layer>[0] = {}) =>
  Effect.provide(TestServer.layer(Stub.layer(service), { callerKeys: TestServer.callerKeys }))

const get = (path: string) => send(path, { headers: asAdmin })
const post = (path: string) => send(path, { method: "POST", headers: asAdmin })

const assertError = (answer: TestServer.Answer, status: number, code: string, message: RegExp) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/)
  const body = json(answer)
  assert.deepStrictEqual(Object.keys(body), ["success", "error"])
  assert.isFalse(body.success)
  assert.deepStrictEqual(Object.keys(body.error), ["code", "message", "category", "retryable"])
  assert.strictEqual(body.error.code, code)
  assert.match(body.error.message, message)
}

const event: ExecutionEvent = {
  timestamp: 1_703_174_400_000,
  executionId,
  userId: alice,
  level: "info",
  event: "execution_started",
  message: "Execution started with 300s timeout",
  data: { timeout: 300 }
}

const summary: ExecutionSummary = {
  executionId,
  userId: alice,
  state: "running",
  language: "python",
  startedAt: 1
}

const record: ExecutionRecord = { ...summary, result: Stub.completed }

const notFound = new ExecutionNotFound({ executionId })
const ended = new ExecutionEnded({ executionId })

describe("the admin routes", () => {
  const system: SystemMetrics = {
    activeExecutions: 12,
    queuedExecutions: 3,
    totalUsers: 8,
    utilizationPercent: 24,
    circuit: "half-open",
    pool: { idle: 2, target: 3, hits: 40, misses: 4 },
    reapedSandboxes: 1
  }
  it.effect("metrics", () =>
    Effect.gen(function* () {
      const answer = yield* get("/api/sandbox/metrics")
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(json(answer), system)
    }).pipe(serve({ getSystemMetrics: Effect.succeed(system) }))
  )

  it.effect("one execution with its result", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* get("/api/sandbox/executions/exec_1")), record)
    }).pipe(serve({ getExecution: () => Effect.succeed(record) }))
  )

  it.effect("an execution that nobody knows", () =>
    Effect.gen(function* () {
      assertError(yield* get("/api/sandbox/executions/exec_2"), 404, "INVALID_REQUEST", /exec_1/)
    }).pipe(serve({ getExecution: () => notFound }))
  )

  const user: UserMetrics = { activeExecutions: 2, queuedExecutions: 0, utilizationPercent: 40 }
  it.effect("metrics of one user", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* get("/api/sandbox/metrics/alice")), user)
      assert.strictEqual((yield* get("/api/sandbox/metrics/Alice%40x.org")).status, 500)
      assert.strictEqual((yield* get(`/api/sandbox/metrics/${"%40".repeat(128)}`)).status, 500)
      for (const hostile of ["%00", "..%2F..", "%20", "é", "a".repeat(129)]) {
        assertError(
          yield* get(`/api/sandbox/metrics/${hostile}`),
          400,
          "INVALID_REQUEST",
          /^userId: expected 1 to 128/
        )
      }
    }).pipe(
      serve({
        getUserMetrics: (userId) =>
          userId === alice ? Effect.succeed(user) : Effect.dieMessage(`asked for ${userId}`)
      })
    )
  )

  it.effect("logs", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* get("/api/sandbox/logs/exec_1")), [event])
      assertError(yield* get("/api/sandbox/logs/exec_2"), 404, "INVALID_REQUEST", /'exec_1'/)
      assertError(yield* get("/api/sandbox/logs/..%2Fetc"), 404, "INVALID_REQUEST", /'..\/etc'/)
    }).pipe(
      serve({ getLogs: (id) => (id === executionId ? Effect.succeed([event]) : Effect.fail(notFound)) })
    )
  )

  it.effect("kill", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* post("/api/sandbox/kill/exec_1")), { success: true })
      assertError(yield* post("/api/sandbox/kill/exec_2"), 409, "INVALID_REQUEST", /already ended/)
      assertError(yield* post("/api/sandbox/kill/exec_3"), 404, "INVALID_REQUEST", /No execution/)
    }).pipe(
      serve({
        killExecution: (id) =>
          id === executionId ? Effect.void : id === "exec_2" ? Effect.fail(ended) : Effect.fail(notFound)
      })
    )
  )

  it.effect("kill, with a reason for the log", () =>
    Effect.gen(function* () {
      const kill = (body: string) =>
        send("/api/sandbox/kill/exec_1", {
          method: "POST",
          headers: { ...asAdmin, "content-type": "application/json" },
          body
        })
      assert.strictEqual((yield* kill('{"reason":"costs too much"}')).status, 200)
      assertError(yield* kill('{"reason":""}'), 400, "INVALID_REQUEST", /^reason: expected 1 to 200/)
      assertError(yield* kill('{"why":"?"}'), 400, "INVALID_REQUEST", /^why: /)
      assertError(yield* kill("{"), 400, "INVALID_REQUEST", /^body: expected JSON/)
    }).pipe(
      serve({
        killExecution: (_, reason) =>
          reason === "costs too much" ? Effect.void : Effect.dieMessage(`not for ${reason}`)
      })
    )
  )

  it.effect("limits", () =>
    Effect.gen(function* () {
      const change = (body: string) =>
        send("/api/sandbox/limits", {
          method: "PUT",
          headers: { ...asAdmin, "content-type": "application/json" },
          body
        })
      assert.deepStrictEqual(json(yield* get("/api/sandbox/limits")), defaultLimits)
      const changed = yield* change('{"maxQueued":7}')
      assert.deepStrictEqual(json(changed), { ...defaultLimits, maxQueued: 7 })
      assertError(yield* change('{"maxQueued":-1}'), 400, "INVALID_REQUEST", /^maxQueued: no/)
      assertError(yield* change("nothing"), 400, "INVALID_REQUEST", /^body: expected JSON/)
    }).pipe(
      serve({
        changeLimits: (changes) =>
          changes.maxQueued === 7
            ? Effect.succeed({ ...defaultLimits, ...changes })
            : new LimitsRefused({ field: "maxQueued", message: "maxQueued: no" })
      })
    )
  )

  it.effect("executions", () =>
    Effect.gen(function* () {
      const asked = "/api/sandbox/executions"
      assert.deepStrictEqual(json(yield* get(asked)), { executions: [summary] })
      assert.deepStrictEqual(json(yield* get(`${asked}?userId=alice&state=running`)), {
        executions: [summary]
      })
      assert.deepStrictEqual(json(yield* get(`${asked}?userId=bob`)), { executions: [] })
      assert.deepStrictEqual(json(yield* get(`${asked}?state=ended`)), { executions: [] })
      assertError(yield* get(`${asked}?state=asleep`), 400, "INVALID_REQUEST", /^state: /)
      assertError(yield* get(`${asked}?state=ended&state=ended`), 400, "INVALID_REQUEST", /^state: /)
      assertError(yield* get(`${asked}?userId=%0a`), 400, "INVALID_REQUEST", /^userId: /)
    }).pipe(
      serve({
        listExecutions: ({ state, userId } = {}) =>
          Effect.succeed(
            [summary].filter((it) => it.userId === (userId ?? it.userId) && it.state === (state ?? it.state))
          )
      })
    )
  )

  const routes = [
    ["GET", "/api/sandbox/metrics"],
    ["GET", "/api/sandbox/metrics/alice"],
    ["GET", "/api/sandbox/metrics/%00"],
    ["GET", "/api/sandbox/logs/exec_1"],
    ["POST", "/api/sandbox/kill/exec_1"],
    ["GET", "/api/sandbox/executions"],
    ["GET", "/api/sandbox/executions?state=asleep"],
    ["GET", "/api/sandbox/executions/exec_1"],
    ["GET", "/api/sandbox/limits"],
    ["PUT", "/api/sandbox/limits"]
  ] as const
  const { adminToken, aliceKey } = TestServer
  const wrong: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "no token": {},
    "an empty token": bearer(""),
    "a wrong token": bearer("wrong"),
    "the beginning of the token": bearer(adminToken.slice(0, -1)),
    "the token and more": bearer(`${adminToken}x`),
    "two tokens": bearer(`${adminToken} ${adminToken}`),
    "a caller's key": bearer(aliceKey),
    "the wrong scheme": { authorization: `Basic ${adminToken}` },
    "a scheme of seven letters": { authorization: `Bearers${adminToken}` },
    "no scheme": { authorization: adminToken },
    "the wrong header": { "x-api-key": adminToken }
  }
  for (const [method, path] of routes) {
    it.effect(`${method} ${path} takes the admin token alone`, () =>
      Effect.gen(function* () {
        for (const [name, headers] of Object.entries(wrong)) {
          const answer = yield* send(path, { method, headers })
          assertError(answer, 401, "PERMISSION_DENIED", /admin token/)
          assert.strictEqual(answer.headers.get("www-authenticate"), "Bearer", name)
        }
        const query = yield* send(`${path}${path.includes("?") ? "&" : "?"}token=${adminToken}`, { method })
        assert.strictEqual(query.status, 401)
      }).pipe(serve())
    )
  }

  it.effect("the scheme may be written in any case", () =>
    Effect.gen(function* () {
      const headers = { authorization: `bearer ${adminToken}` }
      assert.strictEqual((yield* send("/api/sandbox/metrics", { headers })).status, 200)
    }).pipe(serve({ getSystemMetrics: Effect.succeed(system) }))
  )
})

describe("the open routes", () => {
  it.effect("health", () =>
    Effect.gen(function* () {
      const answer = yield* send("/health")
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(json(answer), { status: "ok" })
    }).pipe(serve())
  )

  it.effect("ready", () =>
    Effect.gen(function* () {
      const answer = yield* send("/ready")
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(json(answer), { ready: true })
    }).pipe(serve({ readiness: Effect.succeed({ ready: true }) }))
  )

  it.effect("not ready", () =>
    Effect.gen(function* () {
      const answer = yield* send("/ready")
      assert.strictEqual(answer.status, 503)
      assert.deepStrictEqual(json(answer), { ready: false, reason: "The sandbox provider is down" })
    }).pipe(serve({ readiness: Effect.succeed({ ready: false, reason: "The sandbox provider is down" }) }))
  )

  it.effect("the contract", () =>
    Effect.gen(function* () {
      const answer = yield* send("/openapi.json")
      assert.strictEqual(answer.status, 200)
      assert.match(answer.headers.get("content-type") ?? "", /^application\/json/)
      assert.property(json(answer).paths, "/api/execute")
    }).pipe(serve())
  )

  it.effect("a page to read it, which needs no network", () =>
    Effect.gen(function* () {
      const answer = yield* send("/docs")
      assert.strictEqual(answer.status, 200)
      assert.match(answer.headers.get("content-type") ?? "", /^text\/html/)
      assert.notMatch(answer.text, /<(script|link|img)[^>]+(src|href)=/)
    }).pipe(serve())
  )
})

describe("what is not there", () => {
  it.effect("is answered in the contract's form", () =>
    Effect.gen(function* () {
      const requests = [
        ["GET", "/"],
        ["GET", "/nowhere?secret=1"],
        ["GET", "/api/execute"],
        ["PUT", "/api/execute"],
        ["DELETE", "/api/sandbox/metrics"],
        ["GET", "/api/sandbox/kill/exec_1"],
        ["GET", "/%zz"],
        ["GET", "/../../etc/passwd"],
        ["GET", `/api/sandbox/logs/${"a".repeat(2000)}`]
      ] as const
      for (const [method, path] of requests) {
        const answer = yield* send(path, { method, headers: asAdmin })
        assertError(answer, 404, "INVALID_REQUEST", new RegExp(`^No route for ${method} /`))
        assert.notInclude(answer.text, "secret")
      }
      assert.strictEqual((yield* send("/nowhere", { method: "HEAD" })).status, 404)
    }).pipe(serve())
  )
})
