import { BulkheadApi } from "@bulkhead/api"
import { defaultLimits } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as Routes from "../src/Routes.js"
import * as StubArtifacts from "./StubArtifactStore.js"
import * as Stub from "./StubSandboxService.js"
import * as StubWebhooks from "./StubWebhooks.js"
import * as TestServer from "./TestServer.js"

const { aliceKey, asAdmin, bearer, callerKeys, send } = TestServer

const files = { "a.txt": "0123456789" }

/** Whoever may asks about an execution of alice's. */
const callers = {
  none: {},
  wrong: bearer("not-a-key"),
  another: bearer("the-key-of-bob"),
  own: bearer(aliceKey),
  admin: asAdmin
}
type Caller = keyof typeof callers

/** The status for each caller, where there are keys and where there are none. */
interface Row {
  readonly keys: Readonly<Record<Caller, number>>
  readonly open: Readonly<Record<Caller, number>>
}

const same = (status: number): Row["open"] => ({
  none: status,
  wrong: status,
  another: status,
  own: status,
  admin: status
})
const everybody: Row = { keys: same(200), open: same(200) }
const onlyAdmin = { ...same(401), admin: 200 }
const operators: Row = { keys: onlyAdmin, open: onlyAdmin }
/** Runs code: for a user, which the operator is not. */
const callersOnly: Row = { keys: { ...same(200), none: 401, wrong: 401, admin: 401 }, open: same(200) }
/** About all executions of the one who asks. */
const listers: Row = { keys: { ...same(200), none: 401, wrong: 401 }, open: same(200) }
/** About one execution, which is there for its user and the operator. */
const owners: Row = { keys: { ...listers.keys, another: 404 }, open: same(200) }

/** The same, without waiting for its end. */
const begins: Row = { keys: { ...callersOnly.keys, another: 202, own: 202 }, open: same(202) }

const rows: Readonly<Record<string, Row>> = {
  "POST /api/execute": callersOnly,
  "POST /api/executions": begins,
  "GET /api/executions": listers,
  "GET /api/executions/:executionId": owners,
  "POST /api/executions/:executionId/kill": owners,
  "GET /api/executions/:executionId/events": owners,
  "GET /api/executions/:executionId/artifacts": owners,
  "GET /api/executions/:executionId/artifacts.zip": owners,
  "GET /api/executions/:executionId/artifacts/:name": owners,
  "GET /api/sandbox/metrics": operators,
  "GET /api/sandbox/metrics/:userId": operators,
  "GET /api/sandbox/logs/:executionId": operators,
  "POST /api/sandbox/kill/:executionId": operators,
  "GET /api/sandbox/executions": operators,
  "GET /api/sandbox/executions/:executionId": operators,
  "GET /api/sandbox/usage": operators,
  "GET /api/sandbox/audit/verify": operators,
  "GET /api/sandbox/limits": operators,
  "PUT /api/sandbox/limits": operators,
  "GET /api/webhooks/secret": listers,
  "POST /api/webhooks/secret/rotate": listers,
  "GET /api/sandbox/webhooks/:userId": operators,
  "PUT /api/sandbox/webhooks/:userId": operators,
  "DELETE /api/sandbox/webhooks/:userId": operators,
  "GET /api/sandbox/webhook-messages": operators,
  "POST /api/sandbox/webhook-messages/:messageId/resend": operators,
  "GET /health": everybody,
  "GET /ready": everybody
}

const metrics = {
  activeExecutions: 0,
  queuedExecutions: 0,
  utilizationPercent: 0,
  artifactBytes: 0,
  openStreams: 0
}

/** Knows one execution, of alice's, and does all that it is asked to. */
const service = Stub.layer({
  execute: () => Effect.succeed(Stub.completed),
  submit: () =>
    Effect.succeed({
      executionId: Stub.executionId,
      userId: TestServer.alice,
      state: "queued",
      language: "python",
      startedAt: 0
    }),
  updates: () => Stream.empty,
  getExecution: () => Effect.succeed(StubArtifacts.recordOf(files)),
  listExecutions: () => Effect.succeed({ items: [] }),
  killExecution: () => Effect.void,
  getLogs: () => Effect.succeed([]),
  getSystemMetrics: Effect.succeed({
    ...metrics,
    totalUsers: 0,
    circuit: "closed",
    pool: { idle: 0, target: 0, hits: 0, misses: 0 },
    reapedSandboxes: 0,
    launcherRestarts: 0
  }),
  getUserMetrics: () => Effect.succeed(metrics),
  getUsage: () => Effect.succeed({ items: [] }),
  verifyAudit: Effect.succeed({ intact: true, checked: 0, chains: [] }),
  limits: Effect.succeed(defaultLimits),
  changeLimits: () => Effect.succeed(defaultLimits),
  readiness: Effect.succeed({ ready: true })
})

const secret = { secret: "whsec_AAAA" }
const webhooks = StubWebhooks.layer({
  standing: () => Effect.succeed([]),
  setStanding: () => Effect.void,
  secret: () => Effect.succeed(secret),
  rotateSecret: () => Effect.succeed(secret),
  messages: () => Effect.succeed({ items: [] }),
  resend: () => Effect.void
})

const parameters: Readonly<Record<string, string>> = {
  ":executionId": Stub.executionId,
  ":userId": TestServer.alice,
  ":name": "a.txt",
  ":messageId": "msg_1"
}

const bodies: Readonly<Record<string, unknown>> = {
  "POST /api/execute": { code: "x" },
  "POST /api/executions": { code: "x" },
  "PUT /api/sandbox/webhooks/:userId": { webhooks: [] }
}

const nameOf = ({ method, path }: Routes.Route) => `${method} ${path}`

const statusFor = (route: Routes.Route, caller: Caller) => {
  const { method, path } = route
  const address = path.replaceAll(/:\w+/g, (name) => parameters[name] ?? "unknown")
  const body = bodies[nameOf(route)] ?? {}
  const sent = method === "GET" ? {} : { "content-type": "application/json" }
  return Effect.map(
    send(address, {
      method,
      headers: { ...callers[caller], ...sent },
      ...(method === "GET" ? {} : { body: JSON.stringify(body) })
    }),
    ({ status }) => status
  )
}

const statusesFor = (route: Routes.Route) =>
  Effect.all({
    none: statusFor(route, "none"),
    wrong: statusFor(route, "wrong"),
    another: statusFor(route, "another"),
    own: statusFor(route, "own"),
    admin: statusFor(route, "admin")
  })

describe("every route, for whoever asks", () => {
  const routes = Routes.of(BulkheadApi)

  it("has a row of what it answers", () => {
    assert.sameMembers(routes.map(nameOf), Object.keys(rows))
  })

  const check = (servers: keyof Row) =>
    Effect.forEach(
      routes,
      (route) =>
        Effect.map(statusesFor(route), (found) =>
          assert.deepStrictEqual(found, rows[nameOf(route)]?.[servers], nameOf(route))
        ),
      { discard: true }
    )

  it.effect("lets in whom it should where callers have keys", () =>
    Effect.provide(
      check("keys"),
      Layer.provide(TestServer.layer(service, { callerKeys }, StubArtifacts.layer(files)), webhooks)
    )
  )

  it.effect("lets in whom it should where callers need no key", () =>
    Effect.provide(
      check("open"),
      Layer.provide(TestServer.layer(service, {}, StubArtifacts.layer(files)), webhooks)
    )
  )
})
