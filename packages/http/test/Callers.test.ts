import { BulkheadApi } from "@bulkhead/api"
import { anonymous, defaultLimits, FileId, type OwnedUpload, type UserId } from "@bulkhead/domain"
import { Uploads } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
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
/** About something of a user's, which is there for nobody else. */
const ownersOnly: Row = { keys: { ...callersOnly.keys, another: 404 }, open: same(200) }
/** About all executions of the one who asks. */
const listers: Row = { keys: { ...same(200), none: 401, wrong: 401 }, open: same(200) }
/** About one execution, which is there for its user and the operator. */
const owners: Row = { keys: { ...listers.keys, another: 404 }, open: same(200) }

/** The same, without waiting for its end. */
const begins: Row = { keys: { ...callersOnly.keys, another: 202, own: 202 }, open: same(202) }

const rows: Readonly<Record<string, Row>> = {
  "POST /api/execute": callersOnly,
  "POST /api/executions": begins,
  "POST /api/files": { keys: { ...callersOnly.keys, another: 201, own: 201 }, open: same(201) },
  "GET /api/files": callersOnly,
  "GET /api/images": callersOnly,
  "GET /api/files/:fileId": ownersOnly,
  "DELETE /api/files/:fileId": ownersOnly,
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
  "GET /api/sandbox/replicas": operators,
  "GET /api/sandbox/limits": operators,
  "PUT /api/sandbox/limits": operators,
  "GET /api/webhooks/secret": listers,
  "POST /api/webhooks/secret/rotate": listers,
  "GET /api/sandbox/artifact-kinds/:userId": operators,
  "PUT /api/sandbox/artifact-kinds/:userId": operators,
  "DELETE /api/sandbox/artifact-kinds/:userId": operators,
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
  gpusInUse: 0,
  artifactBytes: 0,
  openStreams: 0,
  uploadBytes: 0
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
    gpus: [],
    totalUsers: 0,
    circuit: "closed",
    pool: { idle: 0, target: 0, hits: 0, misses: 0 },
    reapedSandboxes: 0,
    launcherRestarts: 0
  }),
  getUserMetrics: () => Effect.succeed(metrics),
  getUsage: () => Effect.succeed({ items: [] }),
  verifyAudit: Effect.succeed({ intact: true, checked: 0, chains: [] }),
  replicas: Effect.succeed([]),
  limits: Effect.succeed(defaultLimits),
  changeLimits: () => Effect.succeed(defaultLimits),
  readiness: Effect.succeed({ ready: true }),
  images: Effect.succeed({ plain: { languages: [], packages: [] }, images: [] })
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

const upload: OwnedUpload = {
  fileId: FileId.make(`file_${"0".repeat(32)}`),
  name: "in.csv",
  bytes: 1,
  sha256: "",
  expiresAt: 0,
  userId: TestServer.alice
}
const hasFile = (userId: UserId) => userId === TestServer.alice || userId === anonymous

/** Has one file of alice's, and of whoever needs no key. */
const uploads = Layer.succeed(Uploads, {
  stage: () => Effect.succeed({ ...upload, keep: () => Effect.succeed(upload) }),
  hold: () => Effect.succeedNone,
  list: () => Effect.succeed([]),
  find: (userId) => Effect.succeed(hasFile(userId) ? Option.some(upload) : Option.none()),
  remove: (userId) => Effect.succeed(hasFile(userId)),
  taken: () => Effect.succeed(0)
})

const parameters: Readonly<Record<string, string>> = {
  ":executionId": Stub.executionId,
  ":userId": TestServer.alice,
  ":name": "a.txt",
  ":messageId": "msg_1",
  ":fileId": upload.fileId
}

interface Sent {
  readonly query?: string
  readonly type?: string
  readonly body: string
}

const code: Sent = { body: '{"code":"x"}' }

/** What is sent where it is not an empty object. */
const sent: Readonly<Record<string, Sent>> = {
  "POST /api/execute": code,
  "POST /api/executions": code,
  "POST /api/files": { query: "?name=in.csv", type: "application/octet-stream", body: "1" },
  "PUT /api/sandbox/artifact-kinds/:userId": { body: '{"kinds":"all"}' },
  "PUT /api/sandbox/webhooks/:userId": { body: '{"webhooks":[]}' }
}

const nameOf = ({ method, path }: Routes.Route) => `${method} ${path}`

const statusFor = (route: Routes.Route, caller: Caller) => {
  const { method, path } = route
  const address = path.replaceAll(/:\w+/g, (name) => parameters[name] ?? "unknown")
  const { body, query = "", type = "application/json" } = sent[nameOf(route)] ?? { body: "{}" }
  const written = method === "GET" ? {} : { body, headers: { "content-type": type } }
  return Effect.map(
    send(`${address}${query}`, {
      method,
      ...written,
      headers: { ...callers[caller], ...written.headers }
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
      Layer.provide(
        TestServer.layer(service, { callerKeys }, StubArtifacts.layer(files)),
        Layer.merge(webhooks, uploads)
      )
    )
  )

  it.effect("takes nothing from another site's page where callers need no key", () =>
    Effect.provide(
      Effect.forEach(
        routes.filter(({ method, path }) => method !== "GET" && !path.startsWith("/api/sandbox")),
        ({ method, path }) => {
          const address = path.replaceAll(/:\w+/g, (name) => parameters[name] ?? "unknown")
          const headers = { origin: "https://evil.example" }
          return Effect.map(send(address, { method, headers }), ({ status }) =>
            assert.strictEqual(status, 403, `${method} ${path}`)
          )
        },
        { discard: true }
      ),
      Layer.provide(TestServer.layer(service, {}, StubArtifacts.layer(files)), Layer.merge(webhooks, uploads))
    )
  )

  it.effect("lets in whom it should where callers need no key", () =>
    Effect.provide(
      check("open"),
      Layer.provide(TestServer.layer(service, {}, StubArtifacts.layer(files)), Layer.merge(webhooks, uploads))
    )
  )
})
