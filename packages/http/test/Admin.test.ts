import {
  AdmissionUnreachable,
  defaultLimits,
  ExecutionEnded,
  type ExecutionEvent,
  ExecutionNotFound,
  type ExecutionRecord,
  type ExecutionSummary,
  LimitsRefused,
  type Replica,
  type SystemMetrics,
  type UserMetrics,
  type UserUsage
} from "@bulkhead/domain"
import { type ExecutionQuery, StoreFailure, type UsageQuery } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
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
    gpusInUse: 3,
    gpus: [{ kind: "NVIDIA L4", count: 4 }],
    artifactBytes: 1024,
    openStreams: 0,
    uploadBytes: 2048,
    circuit: "half-open",
    pool: { idle: 2, target: 3, hits: 40, misses: 4 },
    reapedSandboxes: 1,
    launcherRestarts: 1
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
      assertError(yield* get("/api/sandbox/executions/exec_2"), 404, "NOT_FOUND", /exec_1/)
    }).pipe(serve({ getExecution: () => notFound }))
  )

  const user: UserMetrics = {
    activeExecutions: 2,
    queuedExecutions: 0,
    utilizationPercent: 40,
    gpusInUse: 1,
    artifactBytes: 7,
    openStreams: 0,
    uploadBytes: 5
  }
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
      assertError(yield* get("/api/sandbox/logs/exec_2"), 404, "NOT_FOUND", /'exec_1'/)
      assertError(yield* get("/api/sandbox/logs/..%2Fetc"), 404, "NOT_FOUND", /'..\/etc'/)
    }).pipe(
      serve({ getLogs: (id) => (id === executionId ? Effect.succeed([event]) : Effect.fail(notFound)) })
    )
  )

  it.effect("kill", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* post("/api/sandbox/kill/exec_1")), { success: true })
      assertError(yield* post("/api/sandbox/kill/exec_2"), 409, "CONFLICT", /already ended/)
      assertError(yield* post("/api/sandbox/kill/exec_3"), 404, "NOT_FOUND", /No execution/)
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
      const long = `{"reason":["${"a".repeat(10_000)}"]}`
      assertError(yield* kill(long), 400, "INVALID_REQUEST", /^reason: expected a string, got an array$/)
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
      const unheard = yield* change('{"maxQueued":8}')
      assertError(unheard, 503, "RECORD_UNAVAILABLE", /^no answer$/)
      assert.strictEqual(unheard.headers.get("retry-after"), "5")
    }).pipe(
      serve({
        changeLimits: (changes) =>
          changes.maxQueued === 7
            ? Effect.succeed({ ...defaultLimits, ...changes })
            : changes.maxQueued === 8
              ? new AdmissionUnreachable({ message: "no answer", retryAfter: 5 })
              : new LimitsRefused({ field: "maxQueued", message: "maxQueued: no" })
      })
    )
  )

  it.effect("logs, page by page", () =>
    Effect.gen(function* () {
      const logs = "/api/sandbox/logs/exec_1"
      const all = yield* get(logs)
      assert.deepStrictEqual(json(all), [event, event])
      assert.isNull(all.headers.get("x-next-cursor"))
      const first = yield* get(`${logs}?limit=1`)
      assert.deepStrictEqual(json(first), [event])
      assert.strictEqual(first.headers.get("x-next-cursor"), "two")
      for (const query of ["limit=1&cursor=two", "cursor=two"]) {
        const second = yield* get(`${logs}?${query}`)
        assert.deepStrictEqual(json(second), [{ ...event, level: "warn" }])
        assert.isNull(second.headers.get("x-next-cursor"))
      }
      for (const limit of ["0", "1001", "-1", "1.5", "1e2", "", "ten"]) {
        const answer = yield* get(`${logs}?limit=${limit}`)
        assertError(answer, 400, "INVALID_REQUEST", /^limit: expected a whole number, 1 to 1000$/)
      }
      assertError(
        yield* get(`${logs}?cursor=`),
        400,
        "INVALID_REQUEST",
        /^cursor: expected what the page before/
      )
      for (const [query, twice] of [
        ["cursor=a&cursor=b", /^cursor: is there more than once$/],
        ["limit=1&limit=2", /^limit: is there more than once$/]
      ] as const)
        assertError(yield* get(`${logs}?${query}`), 400, "INVALID_REQUEST", twice)
      const long = yield* get(`${logs}?cursor=a&cursor=${"b".repeat(5000)}`)
      assertError(long, 400, "INVALID_REQUEST", /^cursor: .{1,500}$/)
    }).pipe(
      serve({
        getLogs: () => Effect.succeed([event, event]),
        getEvents: (id, { cursor, limit } = {}) =>
          id !== executionId
            ? Effect.fail(notFound)
            : cursor === "two" && (limit ?? 1) === 1
              ? Effect.succeed({ items: [{ ...event, level: "warn" }] })
              : limit === 1
                ? Effect.succeed({ items: [event], nextCursor: "two" })
                : Effect.dieMessage(`asked for ${cursor} and ${limit}`)
      })
    )
  )

  /** Lists whose cursor is the query they were asked with. */
  const queried =
    <A>(items: ReadonlyArray<A>) =>
    (query: ExecutionQuery | UsageQuery = {}) =>
      Effect.succeed({ items, nextCursor: JSON.stringify(query) })

  const assertQueries = Effect.fnUntraced(function* (
    path: string,
    queries: ReadonlyArray<readonly [string, ExecutionQuery]>
  ) {
    for (const [query, expected] of queries) {
      const answer = yield* get(`${path}?${query}`)
      assert.strictEqual(answer.status, 200, `${query}: ${answer.text}`)
      assert.deepStrictEqual(JSON.parse(json(answer).nextCursor), expected, query)
    }
  })

  const asked: Array<unknown> = []

  it.effect("logs, those that are asked for", () =>
    Effect.gen(function* () {
      const logs = "/api/sandbox/logs/exec_1"
      const filter = "level=warn&event=signal_sent&from=1000&to=2026-01-01"
      const expected = { level: "warn", event: "signal_sent", from: 1000, to: 1_767_225_600_000 }
      yield* get(`${logs}?${filter}`)
      yield* get(`${logs}?${filter}&limit=7`)
      assert.deepStrictEqual(asked, [expected, { ...expected, limit: 7 }])
      assertError(
        yield* get(`${logs}?level=loud`),
        400,
        "INVALID_REQUEST",
        /^level: expected one of info, warn, error$/
      )
      assertError(
        yield* get(`${logs}?event=rain`),
        400,
        "INVALID_REQUEST",
        /^event: expected one of execution_queued, /
      )
      assertError(yield* get(`${logs}?from=soon`), 400, "INVALID_REQUEST", /^from: expected milliseconds/)
    }).pipe(
      serve({
        getLogs: (_, query) => Effect.sync(() => asked.push(query)).pipe(Effect.as([])),
        getEvents: (_, query) => Effect.sync(() => asked.push(query)).pipe(Effect.as({ items: [] }))
      })
    )
  )

  const moment = "expected milliseconds since the epoch, or ISO 8601 like"
  const assertSpan = Effect.fnUntraced(function* (path: string) {
    yield* assertQueries(path, [
      ["from=0&to=1767225600000", { from: 0, to: 1_767_225_600_000 }],
      ["from=2026-01-01", { from: 1_767_225_600_000 }],
      ["from=2026-01-01T01:00%2B01:00", { from: 1_767_225_600_000 }],
      ["to=2026-01-01T00:00:00.001Z", { to: 1_767_225_600_001 }]
    ])
    for (const wrong of [
      "",
      "now",
      "-1",
      "1.5",
      "8640000000000001",
      "2026-02-30",
      "2026-13-01",
      "2026-01-01T00:00:00",
      "2026-01-01T25:00Z",
      "01/02/2026"
    ]) {
      for (const field of ["from", "to"]) {
        const answer = yield* get(`${path}?${field}=${encodeURIComponent(wrong)}`)
        assertError(answer, 400, "INVALID_REQUEST", new RegExp(`^${field}: ${moment}`))
      }
    }
  })

  it.effect("executions", () =>
    Effect.gen(function* () {
      const asked = "/api/sandbox/executions"
      assert.deepStrictEqual(json(yield* get(asked)), { executions: [summary], nextCursor: "{}" })
      yield* assertQueries(asked, [
        ["userId=alice&state=running", { userId: alice, state: "running" }],
        [
          "verdict=TimeLimitExceeded&cursor=c%2B1&limit=1000",
          {
            verdict: "TimeLimitExceeded",
            cursor: "c+1",
            limit: 1000
          }
        ]
      ])
      yield* assertSpan(asked)
      const states = /^state: expected one of queued, starting, running, tracked, ended$/
      assertError(yield* get(`${asked}?state=asleep`), 400, "INVALID_REQUEST", states)
      assertError(yield* get(`${asked}?verdict=Guilty`), 400, "INVALID_REQUEST", /^verdict: expected one of /)
      assertError(yield* get(`${asked}?state=ended&state=ended`), 400, "INVALID_REQUEST", /^state: /)
      assertError(yield* get(`${asked}?verdict=Fine`), 400, "INVALID_REQUEST", /^verdict: /)
      assertError(yield* get(`${asked}?userId=%0a`), 400, "INVALID_REQUEST", /^userId: /)
      assertError(yield* get(`${asked}?limit=1001`), 400, "INVALID_REQUEST", /^limit: /)
    }).pipe(serve({ listExecutions: queried([summary]) }))
  )

  it.effect("the last page of executions", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* get("/api/sandbox/executions")), { executions: [] })
    }).pipe(serve({ listExecutions: () => Effect.succeed({ items: [] }) }))
  )

  const used: UserUsage = {
    userId: alice,
    executions: 3,
    sandboxMs: 4500,
    vcpuSeconds: 9,
    gibSeconds: 2.25,
    gpuSeconds: 4.5,
    artifactBytes: 12,
    costUsd: 0.000136125
  }
  it.effect("usage", () =>
    Effect.gen(function* () {
      const asked = "/api/sandbox/usage"
      assert.deepStrictEqual(json(yield* get(asked)), { usage: [used], nextCursor: "{}" })
      yield* assertQueries(asked, [
        ["userId=alice&cursor=c&limit=1", { userId: alice, cursor: "c", limit: 1 }]
      ])
      yield* assertSpan(asked)
      assertError(yield* get(`${asked}?userId=%0a`), 400, "INVALID_REQUEST", /^userId: /)
    }).pipe(serve({ getUsage: queried([used]) }))
  )

  const place = { sequence: 8, kind: "missing" as const }
  const found = { intact: false, checked: 7, head: "ab" }
  const broken = {
    ...found,
    broken: { instance: "one", ...place },
    chains: [{ instance: "one", ...found, broken: place }]
  }
  it.effect("whether the log is as it was written", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* get("/api/sandbox/audit/verify")), broken)
    }).pipe(serve({ verifyAudit: Effect.succeed(broken) }))
  )

  const replica: Replica = {
    id: "life-1",
    instance: "one",
    address: "10.0.0.1:7000",
    version: "0.1.0",
    since: 1000,
    lastSeenAt: 2000,
    isSilent: false,
    isOwner: true,
    circuit: "closed",
    isAnswering: true,
    running: 3,
    waiting: 1,
    gpus: [{ kind: "NVIDIA L4", count: 4 }],
    gpusInUse: 2
  }
  it.effect("which servers are one with this one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* get("/api/sandbox/replicas")), { replicas: [replica] })
    }).pipe(serve({ replicas: Effect.succeed([replica]) }))
  )

  it.effect("a store that cannot be read is told to the log alone", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.logfmtLogger, (line) => void lines.push(line))
      const failure = new StoreFailure({
        message: "The events could not be read",
        cause: new Error("disk I/O error at /var/lib/bulkhead")
      })
      yield* Effect.gen(function* () {
        for (const path of [
          "logs/exec_1",
          "logs/exec_1?limit=1",
          "executions",
          "executions/exec_1",
          "usage",
          "audit/verify",
          "replicas"
        ]) {
          const answer = yield* get(`/api/sandbox/${path}`)
          assertError(
            answer,
            503,
            "RECORD_UNAVAILABLE",
            /^The record of executions cannot be read at present$/
          )
        }
        assertError(yield* post("/api/sandbox/kill/exec_1"), 503, "RECORD_UNAVAILABLE", /^The record/)
      }).pipe(
        serve({
          getLogs: () => failure,
          getEvents: () => failure,
          listExecutions: () => failure,
          getExecution: () => failure,
          killExecution: () => failure,
          getUsage: () => failure,
          verifyAudit: failure,
          replicas: failure
        }),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      assert.lengthOf(
        lines.filter((line) => line.includes("disk I/O error")),
        8,
        lines.join("\n")
      )
    })
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
    ["GET", "/api/sandbox/executions?limit=0"],
    ["GET", "/api/sandbox/logs/exec_1?limit=0"],
    ["GET", "/api/sandbox/usage"],
    ["GET", "/api/sandbox/usage?from=now"],
    ["GET", "/api/sandbox/audit/verify"],
    ["GET", "/api/sandbox/replicas"],
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
        ["GET", "/%zz"],
        ["GET", "/../../etc/passwd"],
        ["GET", `/api/sandbox/logs/${"a".repeat(2000)}`]
      ] as const
      for (const [method, path] of requests) {
        const answer = yield* send(path, { method, headers: asAdmin })
        assertError(answer, 404, "NOT_FOUND", new RegExp(`^No route for ${method} /`))
        assert.notInclude(answer.text, "secret")
      }
      assert.strictEqual((yield* send("/nowhere", { method: "HEAD" })).status, 404)
    }).pipe(serve())
  )

  it.effect("a method that a path does not take is told with those that it takes", () =>
    Effect.gen(function* () {
      const requests = [
        ["GET", "/api/execute", "POST"],
        ["PUT", "/api/execute?secret=1", "POST"],
        ["OPTIONS", "/api/execute", "POST"],
        ["DELETE", "/api/sandbox/metrics", "GET, HEAD"],
        ["POST", "/api/sandbox/limits", "GET, HEAD, PUT"],
        ["GET", "/api/sandbox/kill/exec_1", "POST"],
        ["POST", "/api/executions/exec_1/artifacts/a%2Fb", "GET, HEAD"],
        ["POST", "/api/executions/exec_1/artifacts/a/b", "GET, HEAD"],
        ["PATCH", "/health", "GET, HEAD"],
        ["POST", "/docs", "GET, HEAD"]
      ] as const
      for (const [method, path, allow] of requests) {
        const answer = yield* send(path, { method, headers: asAdmin })
        assertError(answer, 405, "INVALID_REQUEST", new RegExp(`^method: expected ${allow} for /`))
        assert.strictEqual(answer.headers.get("allow"), allow)
        assert.notInclude(answer.text, "secret")
      }
    }).pipe(serve())
  )

  it.effect("a query parameter that a route does not have is refused by its name", () =>
    Effect.gen(function* () {
      const bare = ["metrics", "metrics/alice", "limits", "executions/exec_1", "audit/verify", "replicas"]
      for (const path of bare) {
        const answer = yield* send(`/api/sandbox/${path}?user=alice`, { headers: asAdmin })
        assertError(answer, 400, "INVALID_REQUEST", /^user: is unexpected, expected no parameters$/)
      }
      for (const [method, path] of [
        ["POST", "kill/exec_1"],
        ["PUT", "limits"]
      ] as const) {
        const answer = yield* send(`/api/sandbox/${path}?force=1`, {
          method,
          headers: { ...asAdmin, "content-type": "application/json" },
          body: "{}"
        })
        assertError(answer, 400, "INVALID_REQUEST", /^force: is unexpected, expected no parameters$/)
      }
      for (const [path, known] of [
        ["executions", "userId, state, verdict, from, to, cursor, limit"],
        ["usage", "userId, from, to, cursor, limit"],
        ["logs/exec_1", "level, event, from, to, cursor, limit"]
      ] as const) {
        const answer = yield* send(`/api/sandbox/${path}?user=${"secret".repeat(900)}`, { headers: asAdmin })
        assertError(answer, 400, "INVALID_REQUEST", new RegExp(`^user: is unexpected, expected: ${known}$`))
      }
      assert.strictEqual((yield* send("/api/sandbox/usage?user=1")).status, 401)
    }).pipe(serve())
  )

  it.effect("a body of another kind, or one that is too large, is refused as such", () =>
    Effect.gen(function* () {
      const put = (type: string, body: string) =>
        send("/api/sandbox/limits", { method: "PUT", headers: { ...asAdmin, "content-type": type }, body })
      assertError(yield* put("text/plain", "{}"), 415, "INVALID_REQUEST", /^content-type: /)
      const large = JSON.stringify("x".repeat(70_000))
      assertError(yield* put("application/json", large), 413, "INVALID_REQUEST", /at most 65536 bytes$/)
      const deep = "[".repeat(60_000)
      assertError(
        yield* put("application/json", deep),
        400,
        "INVALID_REQUEST",
        /^body: expected at most 16 levels/
      )
      const many = `{"maxQueued":[${"1,".repeat(10_000)}1]}`
      assertError(
        yield* put("application/json", many),
        400,
        "INVALID_REQUEST",
        /^maxQueued: expected at most 8192 /
      )
    }).pipe(serve())
  )
})
