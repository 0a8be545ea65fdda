import {
  AdminApi,
  AdminAuthentication,
  ArtifactApi,
  CallerAuthentication,
  ExecuteApi,
  ExecutionRefused,
  HealthApi,
  Unauthorized
} from "@bulkhead/api"
import { defaultLimits, executionError, rejectedResult, type UserId } from "@bulkhead/domain"
import {
  FetchHttpClient,
  HttpApi,
  HttpApiBuilder,
  HttpApiClient,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpClient,
  HttpClientRequest,
  HttpRouter,
  HttpServerRequest
} from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import {
  AdminHandlers,
  ArtifactHandlers,
  ArtifactPath,
  Authentication,
  BulkheadHttp,
  ExecuteHandlers,
  HealthHandlers
} from "../src/index.js"
import * as StubArtifacts from "./StubArtifactStore.js"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { executionId } = Stub
const { alice, aliceKey, asAdmin, bearer, json, send } = TestServer

const name = `plots/${"long".repeat(60)}/data.txt`
const files = { [name]: "0123456789" }

const service = Stub.layer({
  execute: (_, options) => Effect.succeed({ ...Stub.completed, stdout: String(options?.userId) }),
  getExecution: () => Effect.succeed(StubArtifacts.recordOf(files)),
  killExecution: () => Effect.void
})

const contract = [
  service,
  StubArtifacts.layer(files),
  TestServer.authentication(TestServer.callerKeys)
] as const

const Greetings = HttpApiGroup.make("greetings").add(
  HttpApiEndpoint.get("hello", "/hello").addSuccess(Schema.String)
)

const post = (path: string, headers: Readonly<Record<string, string>>) =>
  send(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: '{"code":"x"}'
  })

describe("an app of HttpApiBuilder.serve", () => {
  const OwnApi = HttpApi.make("own").add(Greetings)
  const handlers = HttpApiBuilder.group(OwnApi, "greetings", (group) =>
    group.handle("hello", () => Effect.succeed("hello"))
  )
  const mounted = HttpApiBuilder.Router.use((router) =>
    Effect.gen(function* () {
      const includePrefix = { includePrefix: true }
      yield* router.mountApp("/whole", yield* BulkheadHttp.make({ prefix: "/whole" }), includePrefix)
      yield* router.mountApp("/run", yield* BulkheadHttp.makeExecute({ prefix: "/run" }), includePrefix)
      yield* router.mountApp("/ops", yield* BulkheadHttp.makeAdmin({ prefix: "/ops" }), includePrefix)
    })
  ).pipe(Layer.provide(contract))

  const served = HttpApiBuilder.serve().pipe(
    Layer.provide(mounted),
    Layer.provide(HttpApiBuilder.api(OwnApi).pipe(Layer.provide(handlers)))
  )

  it.effect("mounts the contract, and each half alone", () =>
    Effect.gen(function* () {
      assert.strictEqual(json(yield* send("/hello")), "hello")
      for (const prefix of ["/whole", "/run"]) {
        assert.strictEqual(json(yield* post(`${prefix}/api/execute`, bearer(aliceKey))).stdout, "alice")
        const artifact = `${prefix}/api/executions/${executionId}/artifacts/${name}`
        assert.strictEqual((yield* send(artifact, { headers: asAdmin })).text, "0123456789")
      }
      for (const prefix of ["/whole", "/ops"]) {
        const limits = yield* send(`${prefix}/api/sandbox/limits`, { headers: asAdmin })
        assert.deepStrictEqual(json(limits), defaultLimits)
      }
      for (const path of ["/whole/nowhere", "/run/api/sandbox/limits", "/ops/api/execute", "/ops/%zz"]) {
        const answer = yield* send(path, { headers: asAdmin })
        assert.deepStrictEqual([answer.status, json(answer).error.message], [404, `No route for GET ${path}`])
      }
      for (const path of ["/nowhere", "/api/execute", "/wholes"]) {
        const answer = yield* send(path)
        assert.deepStrictEqual([answer.status, answer.text], [404, ""])
      }
    }).pipe(Effect.provide(TestServer.listening(served)))
  )
})

describe("an HttpApi that has the contract's groups among its own", () => {
  const OwnApi = HttpApi.make("own")
    .add(Greetings)
    .add(ExecuteApi)
    .add(ArtifactApi)
    .add(HealthApi)
    .add(AdminApi.prefix("/ops"))

  const handlers = Layer.mergeAll(
    HttpApiBuilder.group(OwnApi, "greetings", (group) =>
      group.handle("hello", () => Effect.succeed("hello"))
    ),
    ExecuteHandlers.layer(OwnApi),
    ArtifactHandlers.layer(OwnApi),
    HealthHandlers.layer(OwnApi),
    AdminHandlers.layer(OwnApi)
  )

  const served = HttpApiBuilder.serve().pipe(
    Layer.provide(HttpRouter.setRouterConfig({ maxParamLength: 1024 })),
    Layer.provide(HttpApiBuilder.middleware(ArtifactPath.encode())),
    Layer.provide(HttpApiBuilder.api(OwnApi).pipe(Layer.provide(handlers), Layer.provide(contract)))
  )

  const client = (token: string) =>
    Effect.flatMap(TestServer.TestServer, ({ url }) =>
      HttpApiClient.make(OwnApi, {
        baseUrl: url,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
      })
    )

  it.effect("answers them all, and has one client for all", () =>
    Effect.gen(function* () {
      const { admin, artifacts, execute, greetings, health } = yield* client(TestServer.adminToken)
      assert.strictEqual(yield* greetings.hello(), "hello")
      assert.deepStrictEqual(yield* health(), { status: "ok" })
      assert.deepStrictEqual(yield* admin.limits(), defaultLimits)
      const content = yield* artifacts.read({ path: { executionId, name }, headers: {} })
      assert.strictEqual(Buffer.from(content).toString(), "0123456789")
      assert.instanceOf(yield* Effect.flip(execute({ payload: { code: "x" } })), ExecutionRefused)
      const caller = yield* client(aliceKey)
      assert.strictEqual((yield* caller.execute({ payload: { code: "x" } })).stdout, "alice")
      assert.instanceOf(yield* Effect.flip(caller.admin.limits()), Unauthorized)
      const path = `/api/executions/${executionId}/artifacts/${name}`
      assert.strictEqual((yield* send(path, { headers: asAdmin })).text, "0123456789")
      const malformed = yield* send("/ops/api/sandbox/executions?limit=0", { headers: asAdmin })
      assert.deepStrictEqual([malformed.status, json(malformed)._tag], [400, "HttpApiDecodeError"])
    }).pipe(Effect.provide([TestServer.listening(served), FetchHttpClient.layer]))
  )

  it("must have a group to take its handlers", () => {
    // @ts-expect-error: the HttpApi has no such group.
    assert.throws(() => Effect.runSync(Effect.scoped(Layer.build(AdminHandlers.layer(HttpApi.make("none"))))))
  })
})

describe("authentication of one's own", () => {
  const unauthorized = new Unauthorized({ error: executionError("PERMISSION_DENIED", "no operator") })
  const header = (name: string) =>
    Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => Option.fromNullable(headers[name]))

  const operators = Layer.succeed(AdminAuthentication, {
    adminToken: () =>
      Effect.flatMap(header("x-role"), (role) =>
        Option.contains(role, "operator") ? Effect.void : unauthorized
      )
  })

  const refused = new ExecutionRefused({
    status: 401,
    result: rejectedResult(executionId, executionError("PERMISSION_DENIED", "no session"))
  })
  const callers = Layer.succeed(CallerAuthentication, {
    callerKey: () =>
      Effect.flatMap(
        header("x-user"),
        Option.match({
          onNone: () => refused,
          onSome: (user) =>
            Effect.succeed({ userId: user === "anybody" ? Option.none<UserId>() : Option.some(alice) })
        })
      )
  })

  const own = Authentication.layerReader.pipe(Layer.provideMerge(Layer.merge(operators, callers)))
  const served = Layer.provide(TestServer.listening(TestServer.serving), [
    service,
    StubArtifacts.layer(files),
    own
  ])

  it.effect("decides who the operator and the callers are", () =>
    Effect.gen(function* () {
      const limits = (headers: Record<string, string>) => send("/api/sandbox/limits", { headers })
      assert.strictEqual((yield* limits({ "x-role": "operator" })).status, 200)
      const stranger = yield* limits({})
      assert.deepStrictEqual([stranger.status, json(stranger).error.message], [401, "no operator"])
      assert.strictEqual(json(yield* post("/api/execute", { "x-user": "alice" })).stdout, "alice")
      assert.strictEqual(json(yield* post("/api/execute", { "x-user": "anybody" })).stdout, "undefined")
      const nobody = yield* post("/api/execute", {})
      assert.deepStrictEqual([nobody.status, json(nobody).error.message], [401, "no session"])
      const artifact = `/api/executions/${executionId}/artifacts/${name}`
      for (const [headers, status] of [
        [{ "x-user": "alice" }, 200],
        [{ "x-role": "operator" }, 200],
        [{}, 401]
      ] as ReadonlyArray<readonly [Record<string, string>, number]>) {
        assert.strictEqual((yield* send(artifact, { headers })).status, status)
      }
    }).pipe(Effect.provide(served))
  )
})
