import { BulkheadAdminApi, BulkheadApi, BulkheadClient, BulkheadExecuteApi } from "@bulkhead/api"
import { defaultLimits } from "@bulkhead/domain"
import {
  FetchHttpClient,
  HttpApi,
  HttpApiBuilder,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpLayerRouter,
  HttpServerResponse,
  OpenApi
} from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { AdminToken, Authentication, BulkheadHttp } from "../src/index.js"
import * as StubArtifacts from "./StubArtifactStore.js"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { executionId } = Stub
const { aliceKey, asAdmin, bearer, callerKeys, json, send } = TestServer

const name = `plots/${"long".repeat(60)}/data.txt`
const files = { [name]: "0123456789" }

const service = Stub.layer({
  execute: () => Effect.succeed(Stub.completed),
  getSystemMetrics: Effect.dieMessage("the disk is on fire"),
  getExecution: () => Effect.succeed(StubArtifacts.recordOf(files)),
  killExecution: () => Effect.void,
  readiness: Effect.succeed({ ready: true })
})

const contract = [service, StubArtifacts.layer(files), TestServer.authentication(callerKeys)] as const

/** Routes that the app has beside. */
const own = HttpLayerRouter.addAll([
  HttpLayerRouter.route("GET", "/hello", HttpServerResponse.text("hello")),
  HttpLayerRouter.route("GET", "/bulkhead/own", HttpServerResponse.text("mine")),
  HttpLayerRouter.route(
    "GET",
    "/users/:name",
    Effect.flatMap(HttpLayerRouter.params, HttpServerResponse.json)
  )
])

const app = <E>(routes: Layer.Layer<never, E, HttpLayerRouter.HttpRouter>) =>
  Effect.provide(
    TestServer.listening(
      HttpLayerRouter.serve(Layer.merge(own, routes), { disableLogger: true, disableListenLog: true })
    )
  )

const asAlice = bearer(aliceKey)

const execute = (path: string, body = '{"code":"x"}') =>
  send(path, { method: "POST", headers: { ...asAlice, "content-type": "application/json" }, body })

const assertContract = (answer: TestServer.Answer, status: number, message: RegExp) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.isFalse(json(answer).success)
  assert.match(json(answer).error.message, message)
}

/** The app's own answer where it has no route. */
const assertOwn404 = (answer: TestServer.Answer) =>
  assert.deepStrictEqual([answer.status, answer.text], [404, ""])

const pathCount = (api: HttpApi.HttpApi.Any) =>
  Object.keys(OpenApi.fromApi(api as HttpApi.HttpApi.AnyWithProps).paths).length

const pathsOf = (answer: TestServer.Answer) => Object.keys(json(answer).paths)

describe("the contract under a prefix", () => {
  const mounted = app(BulkheadHttp.layer({ prefix: "/bulkhead" }).pipe(Layer.provide(contract)))

  it.effect("answers there, and the app's own routes beside it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* execute("/bulkhead/api/execute")), Stub.completed)
      const limits = yield* send("/bulkhead/api/sandbox/limits", { headers: asAdmin })
      assert.deepStrictEqual(json(limits), defaultLimits)
      assert.deepStrictEqual(json(yield* send("/bulkhead/health")), { status: "ok" })
      assert.deepStrictEqual(json(yield* send("/bulkhead/ready")), { ready: true })
      assert.strictEqual((yield* send("/hello")).text, "hello")
      assert.strictEqual((yield* send("/bulkhead/own")).text, "mine")
      assert.deepStrictEqual(json(yield* send("/users/ann")), { name: "ann" })
    }).pipe(mounted)
  )

  it.effect("has the contract's errors beneath it, and the app's own elsewhere", () =>
    Effect.gen(function* () {
      const admin = { headers: asAdmin }
      for (const path of ["/bulkhead", "/bulkhead/", "/bulkhead/nowhere", "/bulkhead/api/sandbox/nowhere"]) {
        assertContract(yield* send(path, admin), 404, new RegExp(`^No route for GET ${path}$`))
      }
      assertContract(yield* send("/bulkhead/health", { method: "POST" }), 405, /^method: expected GET, HEAD /)
      assertContract(yield* send("/bulkhead/api/sandbox/limits"), 401, /admin token/)
      assertContract(yield* send("/bulkhead/api/sandbox/executions?limit=0", admin), 400, /^limit: /)
      assertContract(yield* send("/bulkhead/api/sandbox/metrics", admin), 500, /its log says why/)
      assertContract(yield* execute("/bulkhead/api/execute", "{"), 400, /^body: expected JSON/)
      for (const path of [
        "/",
        "/nowhere",
        "/bulkheads",
        "/api/execute",
        "/health",
        "/docs",
        "/openapi.json"
      ]) {
        assertOwn404(yield* send(path, admin))
      }
      assertOwn404(yield* execute("/api/execute"))
    }).pipe(mounted)
  )

  it.effect("sends artifacts whose names are paths, longer than the app's own router takes", () =>
    Effect.gen(function* () {
      const artifact = `/bulkhead/api/executions/${executionId}/artifacts/`
      for (const path of [`${artifact}${name}`, `${artifact}${encodeURIComponent(name)}`]) {
        const answer = yield* send(path, { headers: asAlice })
        assert.deepStrictEqual([answer.status, answer.text], [200, "0123456789"])
      }
      assertContract(yield* send(`${artifact}a/b`, { headers: asAlice }), 404, /^There is no such artifact$/)
      assertOwn404(yield* send(`/users/${"n".repeat(200)}`))
    }).pipe(mounted)
  )

  it.effect("describes itself with the prefix", () =>
    Effect.gen(function* () {
      const paths = pathsOf(yield* send("/bulkhead/openapi.json"))
      assert.lengthOf(paths, pathCount(BulkheadApi))
      for (const path of paths) assert.match(path, /^\/bulkhead\//)
      const page = yield* send("/bulkhead/docs")
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/)
      assert.include(page.text, "/bulkhead/api/execute")
    }).pipe(mounted)
  )

  it.effect("is used through the typed client", () =>
    Effect.gen(function* () {
      const { url } = yield* TestServer.TestServer
      const make = (token: string) =>
        BulkheadClient.make({ url: `${url}/bulkhead`, token: Redacted.make(token) })
      const caller = yield* make(aliceKey)
      assert.deepStrictEqual(yield* caller.execute({ payload: { code: "x" } }), Stub.completed)
      const content = yield* caller.artifacts.read({ path: { executionId, name }, headers: {} })
      assert.strictEqual(Buffer.from(content).toString(), "0123456789")
      const { admin } = yield* make(TestServer.adminToken)
      assert.deepStrictEqual(yield* admin.kill({ path: { executionId } }), { success: true })
    }).pipe(mounted, Effect.provide(FetchHttpClient.layer))
  )

  it.effect("is missed by a client that does not know it, who is told so", () =>
    Effect.gen(function* () {
      const { admin } = yield* BulkheadClient.make(yield* TestServer.TestServer)
      const missed = yield* Effect.flip(admin.limits())
      assert.strictEqual(missed._tag, "ResponseError")
      assert.match(missed.message, /^StatusCode: expected an answer of Bulkhead; .* \(404 GET http/)
    }).pipe(mounted, Effect.provide(FetchHttpClient.layer))
  )

  it.effect("may be written with a slash at its end", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("/a/b/health")).status, 200)
      assertOwn404(yield* send("/a/health"))
    }).pipe(app(BulkheadHttp.layer({ prefix: "/a/b/" }).pipe(Layer.provide(contract))))
  )
})

describe("the contract at the root of another app", () => {
  it.effect("takes its own paths and leaves the others to the app", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* execute("/api/execute")).status, 200)
      assert.lengthOf(pathsOf(yield* send("/openapi.json")), pathCount(BulkheadApi))
      assertContract(yield* send("/api/sandbox/nowhere", { headers: asAdmin }), 404, /^No route/)
      assert.strictEqual((yield* send("/hello")).text, "hello")
      for (const path of ["/", "/api", "/api/other", "/nowhere"]) assertOwn404(yield* send(path))
    }).pipe(app(BulkheadHttp.layer().pipe(Layer.provide(contract))))
  )
})

describe("one half", () => {
  const operator = Authentication.layerAdmin.pipe(
    Layer.provide(AdminToken.layer(Redacted.make(TestServer.adminToken)))
  )

  it.effect("of the operator needs neither callers nor artifacts", () =>
    Effect.gen(function* () {
      const limits = yield* send("/ops/api/sandbox/limits", { headers: asAdmin })
      assert.deepStrictEqual(json(limits), defaultLimits)
      assertContract(yield* send("/ops/api/sandbox/limits"), 401, /admin token/)
      assertContract(yield* send("/ops/api/sandbox/nowhere"), 404, /^No route for GET \/ops\/api/)
      assertOwn404(yield* execute("/ops/api/execute"))
      assertOwn404(yield* send("/ops/health"))
      assertOwn404(yield* send("/ops/nowhere"))
    }).pipe(app(BulkheadHttp.layerAdmin({ prefix: "/ops" }).pipe(Layer.provide([service, operator]))))
  )

  it.effect("of the callers has executions and artifacts", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* execute("/run/api/execute")).status, 200)
      const artifact = `/run/api/executions/${executionId}/artifacts/${name}`
      assert.strictEqual((yield* send(artifact, { headers: asAlice })).text, "0123456789")
      assertContract(yield* send("/run/api/execute", { headers: asAlice }), 405, /^method: expected POST /)
      assertOwn404(yield* send("/run/api/sandbox/limits", { headers: asAdmin }))
    }).pipe(app(BulkheadHttp.layerExecute({ prefix: "/run" }).pipe(Layer.provide(contract))))
  )

  it.effect("may stand beside the other, each with docs of its own", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* execute("/x/api/execute")).status, 200)
      assert.strictEqual((yield* send("/x/api/sandbox/limits", { headers: asAdmin })).status, 200)
      assert.strictEqual((yield* send("/x/ready")).status, 200)
      const ofCallers = pathsOf(yield* send("/x/openapi.json"))
      assert.lengthOf(ofCallers, pathCount(BulkheadExecuteApi))
      const ofOperators = pathsOf(yield* send("/ops/openapi.json"))
      assert.lengthOf(ofOperators, 14)
      for (const path of ofOperators) assert.match(path, /^\/ops\/api\/sandbox\//)
      assert.include((yield* send("/ops/docs")).text, "/ops/api/sandbox/metrics")
    }).pipe(
      app(
        Layer.mergeAll(
          BulkheadHttp.layerExecute({ prefix: "/x" }),
          BulkheadHttp.layerAdmin({ prefix: "/x" }),
          BulkheadHttp.layerHealth({ prefix: "/x" }),
          BulkheadHttp.layerDocs({ prefix: "/x", api: BulkheadExecuteApi }),
          BulkheadHttp.layerDocs({ prefix: "/ops", api: BulkheadAdminApi })
        ).pipe(Layer.provide(contract))
      )
    )
  )
})

describe("what is mounted", () => {
  it.effect("passes the app's middleware once", () => {
    const seen: Array<string> = []
    const counting = HttpLayerRouter.middleware((answer) =>
      Effect.zipRight(
        Effect.sync(() => seen.push("one")),
        answer
      )
    )
    const mounted = BulkheadHttp.layer({ prefix: "/bulkhead" }).pipe(
      Layer.provide(contract),
      Layer.provide(counting.layer)
    )
    return Effect.gen(function* () {
      yield* send("/bulkhead/health")
      assert.deepStrictEqual(seen, ["one"])
      yield* send("/bulkhead/nowhere")
      assert.deepStrictEqual(seen, ["one", "one"])
      yield* send("/hello")
      assert.deepStrictEqual(seen, ["one", "one"])
    }).pipe(app(mounted))
  })

  it.effect("may be there twice, with services of their own", () => {
    const at = (prefix: "/a" | "/b", maxQueued: number) =>
      BulkheadHttp.layer({ prefix }).pipe(
        Layer.provide(Stub.layer({ limits: Effect.succeed({ ...defaultLimits, maxQueued }) })),
        Layer.provide(contract)
      )
    return Effect.gen(function* () {
      const queued = (path: string) =>
        Effect.map(
          send(`${path}/api/sandbox/limits`, { headers: asAdmin }),
          (answer) => json(answer).maxQueued
        )
      assert.deepStrictEqual([yield* queued("/a"), yield* queued("/b")], [1, 2])
    }).pipe(app(Layer.merge(at("/a", 1), at("/b", 2))))
  })

  it.effect("does not meet the same route of an HttpApi of the app", () => {
    const Monitor = HttpApiGroup.make("monitor").add(
      HttpApiEndpoint.get("health", "/bulkhead/health").addSuccess(Schema.String)
    )
    const OwnApi = HttpApi.make("own").add(Monitor)
    const handlers = HttpApiBuilder.group(OwnApi, "monitor", (group) =>
      group.handle("health", () => Effect.succeed("mine"))
    )
    const ownApi = HttpLayerRouter.addHttpApi(OwnApi).pipe(
      Layer.provide(handlers),
      Layer.provide(NodeHttpServer.layerContext)
    )
    return Effect.gen(function* () {
      assert.strictEqual(json(yield* send("/bulkhead/health")), "mine")
      assert.deepStrictEqual(json(yield* send("/bulkhead/ready")), { ready: true })
      assert.strictEqual((yield* execute("/bulkhead/api/execute")).status, 200)
      assertOwn404(yield* send("/ready"))
    }).pipe(
      app(Layer.merge(ownApi, BulkheadHttp.layer({ prefix: "/bulkhead" }).pipe(Layer.provide(contract))))
    )
  })
})
