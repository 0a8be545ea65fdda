import { ArtifactStore } from "@bulkhead/artifacts"
import { defaultLimits } from "@bulkhead/domain"
import type { SandboxService } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger, Stream } from "effect"
import { FetchHandler } from "../src/index.js"
import * as StubArtifacts from "./StubArtifactStore.js"
import * as Stub from "./StubSandboxService.js"
import { adminToken, aliceKey, asAdmin, bearer } from "./TestServer.js"

const { executionId } = Stub
const origin = "https://bulkhead.example"
const env = { ADMIN_API_TOKEN: adminToken, SANDBOX_API_KEYS: `alice:${aliceKey}, bob:the-key-of-bob` }
const name = "plots/a b.txt"
const files = { [name]: "0123456789" }

const service = Stub.layer({
  execute: (request, options) =>
    Effect.succeed({ ...Stub.completed, stdout: JSON.stringify({ request, userId: options?.userId }) }),
  getExecution: () => Effect.succeed(StubArtifacts.recordOf(files)),
  killExecution: () => Effect.void
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came.
  readonly body: any
}

/** What a handler answers a request with, and an environment that may be anything. */
const answer = (
  { handler }: FetchHandler.FetchHandler,
  request: Request,
  environment: unknown
): Effect.Effect<Answer> =>
  Effect.promise(async () => {
    const response = await handler(request, environment as FetchHandler.Environment)
    return { status: response.status, headers: response.headers, body: await response.json() }
  })

const asked =
  (handler: FetchHandler.FetchHandler) =>
  (path: string, init: RequestInit = {}, environment: FetchHandler.Environment = env) =>
    answer(handler, new Request(`${origin}${path}`, init), environment)

const scoped = (handler: FetchHandler.FetchHandler) =>
  Effect.acquireRelease(Effect.succeed(handler), ({ dispose }) => Effect.promise(dispose))

const whole = (
  services: Layer.Layer<SandboxService | ArtifactStore> = Layer.merge(service, StubArtifacts.layer(files))
) => scoped(FetchHandler.make(services))

const monitoring = scoped(FetchHandler.makeMonitoring(service))

const withCode = (headers: Readonly<Record<string, string>>): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: '{"code":"x","userId":"mallory"}'
})

/** Whatever may come for a variable that nobody set. */
const unset: ReadonlyArray<unknown> = [
  {},
  undefined,
  null,
  "ADMIN_API_TOKEN",
  { ADMIN_API_TOKEN: "", SANDBOX_API_KEYS: "" },
  { ADMIN_API_TOKEN: " ", SANDBOX_API_KEYS: " " },
  { ADMIN_API_TOKEN: undefined, SANDBOX_API_KEYS: undefined },
  { ADMIN_API_TOKEN: null, SANDBOX_API_KEYS: null },
  { ADMIN_API_TOKEN: { token: adminToken }, SANDBOX_API_KEYS: [`alice:${aliceKey}`] }
]

const guesses = [{}, asAdmin, bearer(""), bearer("undefined"), bearer("null"), bearer("[object Object]")]

describe("the monitoring handler", () => {
  it.scoped("answers the operator", () =>
    Effect.gen(function* () {
      const ask = asked(yield* monitoring)
      const { body, status } = yield* ask("/api/sandbox/limits", { headers: asAdmin })
      assert.deepStrictEqual([status, body], [200, defaultLimits])
      const kill = { method: "POST", headers: asAdmin }
      assert.deepStrictEqual((yield* ask("/api/sandbox/kill/exec_1", kill)).body, { success: true })
      const json = { ...asAdmin, "content-type": "application/json" }
      const told = { ...kill, headers: json, body: '{"reason":"costs too much"}' }
      assert.strictEqual((yield* ask("/api/sandbox/kill/exec_1", told)).status, 200)
      const malformed = yield* ask("/api/sandbox/kill/exec_1", { method: "POST", headers: json })
      assert.deepStrictEqual(
        [malformed.status, malformed.body.error.message],
        [400, "body: expected JSON in UTF-8, but it is empty"]
      )
    })
  )

  it.scoped("refuses everybody else", () =>
    Effect.gen(function* () {
      const ask = asked(yield* monitoring)
      for (const headers of [{}, bearer("wrong"), bearer(`${adminToken}x`), bearer(aliceKey)]) {
        const refused = yield* ask("/api/sandbox/limits", { headers })
        assert.strictEqual(refused.status, 401)
        assert.strictEqual(refused.body.error.code, "PERMISSION_DENIED")
        assert.strictEqual(refused.headers.get("www-authenticate"), "Bearer")
      }
    })
  )

  it.scoped("refuses everybody where no token is set", () =>
    Effect.gen(function* () {
      const handler = yield* monitoring
      for (const environment of unset)
        for (const headers of guesses) {
          const request = new Request("http://127.0.0.1/api/sandbox/limits", {
            headers: { ...headers, host: "127.0.0.1" }
          })
          const { status } = yield* answer(handler, request, environment)
          assert.strictEqual(status, 401, JSON.stringify([environment, headers]))
        }
    })
  )

  it.scoped("takes the token that comes with the request", () =>
    Effect.gen(function* () {
      const ask = asked(yield* monitoring)
      const status = (token: string, ADMIN_API_TOKEN: string) =>
        Effect.map(
          ask("/api/sandbox/limits", { headers: bearer(token) }, { ADMIN_API_TOKEN }),
          ({ status }) => status
        )
      const all = [status("old", "old"), status("old", "new"), status("new", " new ")]
      assert.deepStrictEqual(yield* Effect.all(all, { concurrency: "unbounded" }), [200, 401, 200])
    })
  )

  it.scoped("has the operator's half alone, also under a prefix", () =>
    Effect.gen(function* () {
      const ask = asked(yield* monitoring)
      for (const path of ["/", "/health", "/api/execute", "/api/sandbox", "/openapi.json"]) {
        const refused = yield* ask(path, { headers: asAdmin })
        assert.deepStrictEqual(
          [refused.status, refused.body.error.message],
          [404, `No route for GET ${path}`]
        )
      }
      const under = asked(yield* scoped(FetchHandler.makeMonitoring(service, { prefix: "/ops" })))
      assert.strictEqual((yield* under("/ops/api/sandbox/limits", { headers: asAdmin })).status, 200)
      assert.strictEqual((yield* under("/api/sandbox/limits", { headers: asAdmin })).status, 404)
    })
  )
})

describe("the handler of the whole contract", () => {
  it.scoped("runs code for who holds a key, as the key's user", () =>
    Effect.gen(function* () {
      const ask = asked(yield* whole())
      const { body, status } = yield* ask("/api/execute", withCode(bearer(aliceKey)))
      assert.strictEqual(status, 200)
      assert.strictEqual(JSON.parse(body.stdout).userId, "alice")
      const bob = yield* ask("/api/execute", withCode(bearer("the-key-of-bob")))
      assert.strictEqual(JSON.parse(bob.body.stdout).userId, "bob")
    })
  )

  it.scoped("runs none where no keys are set, whatever the Host header says", () =>
    Effect.gen(function* () {
      const handler = yield* whole()
      for (const environment of unset)
        for (const headers of guesses)
          for (const path of ["/api/execute", `/api/executions/exec_1/artifacts/${name}`]) {
            const init = path === "/api/execute" ? withCode({}) : {}
            const request = new Request(`http://127.0.0.1${path}`, {
              ...init,
              headers: { ...init.headers, ...headers, host: "127.0.0.1" }
            })
            const { status } = yield* answer(handler, request, environment)
            assert.strictEqual(status, 401, JSON.stringify([environment, headers]))
          }
    })
  )

  it.scoped("runs none where the keys are malformed, and its log says so without them", () => {
    const lines: Array<string> = []
    const logger = Logger.map(Logger.logfmtLogger, (line) => void lines.push(line))
    return Effect.gen(function* () {
      const ask = asked(
        yield* whole(
          Layer.mergeAll(service, StubArtifacts.layer({}), Logger.replace(Logger.defaultLogger, logger))
        )
      )
      const SANDBOX_API_KEYS = `alice:${aliceKey}, bob`
      const refused = yield* ask("/api/execute", withCode(bearer(aliceKey)), { SANDBOX_API_KEYS })
      assert.strictEqual(refused.status, 401)
      assert.match(lines.join("\n"), /SANDBOX_API_KEYS: expected user:key pairs .*, pair 2 is not one/)
      assert.notInclude(lines.join("\n"), aliceKey)
    })
  })

  it.scoped("sends artifacts, whole and in part", () =>
    Effect.gen(function* () {
      const { handler } = yield* whole()
      const read = (headers: Readonly<Record<string, string>>, method = "GET") =>
        Effect.promise(async () => {
          const url = `${origin}/api/executions/${executionId}/artifacts/${name}`
          const response = await handler(new Request(url, { method, headers }), env)
          return [response.status, await response.text()] as const
        })
      assert.deepStrictEqual(yield* read(bearer(aliceKey)), [200, "0123456789"])
      assert.deepStrictEqual(yield* read({ ...asAdmin, range: "bytes=2-4" }), [206, "234"])
      assert.deepStrictEqual(yield* read(asAdmin, "HEAD"), [200, ""])
      assert.strictEqual((yield* read(bearer("the-key-of-bob")))[0], 404)
    })
  )

  it.scoped("breaks off an artifact that cannot be read to its end", () =>
    Effect.gen(function* () {
      const content = Stream.concat(
        Stream.make(new Uint8Array(Buffer.from("01234"))),
        Stream.fail(StubArtifacts.failure)
      )
      const store = StubArtifacts.of(() => Effect.succeedSome({ size: 10, content }))
      const { handler } = yield* whole(Layer.mergeAll(service, store, Logger.remove(Logger.defaultLogger)))
      const url = `${origin}/api/executions/${executionId}/artifacts/${name}`
      const response = yield* Effect.promise(() => handler(new Request(url, { headers: asAdmin }), env))
      assert.strictEqual(response.status, 200)
      assert.isTrue((yield* Effect.exit(Effect.tryPromise(() => response.text())))._tag === "Failure")
    })
  )

  it.scoped("answers health, the contract and what is not there", () =>
    Effect.gen(function* () {
      const ask = asked(yield* whole())
      assert.deepStrictEqual((yield* ask("/health", {}, {})).body, { status: "ok" })
      assert.property((yield* ask("/openapi.json", {}, {})).body.paths, "/api/execute")
      const nowhere = yield* ask("/nowhere?secret=1", {}, {})
      assert.strictEqual(nowhere.status, 404)
      assert.strictEqual(nowhere.body.error.message, "No route for GET /nowhere")
    })
  )

  it.scoped("heeds the announced size of a body only where it is too large", () =>
    Effect.gen(function* () {
      const ask = asked(yield* whole())
      const status = (announced: string) =>
        Effect.map(
          ask("/api/execute", withCode({ ...bearer(aliceKey), "content-length": announced })),
          ({ status }) => status
        )
      assert.deepStrictEqual(
        [yield* status("1"), yield* status("many"), yield* status("17000000")],
        [200, 200, 413]
      )
    })
  )

  it.scoped("refuses a body that is too large", () =>
    Effect.gen(function* () {
      const ask = asked(yield* whole())
      const body = new Blob([`"${"x".repeat(17_000_000)}"`]).stream()
      const init = { ...withCode(bearer(aliceKey)), body, duplex: "half" } as RequestInit
      const refused = yield* ask("/api/execute", init)
      assert.strictEqual(refused.status, 413)
      assert.strictEqual(refused.body.error.message, "body: expected at most 16777216 bytes")
    })
  )

  it.scoped("stops reading a body that does not end", () =>
    Effect.gen(function* () {
      const megabyte = new Uint8Array(1024 * 1024).fill(32)
      let sent = 0
      let isCancelled = false
      const body = new ReadableStream({
        pull: (controller) => {
          sent++
          controller.enqueue(megabyte)
        },
        cancel: () => {
          isCancelled = true
        }
      })
      const init = { ...withCode(bearer(aliceKey)), body, duplex: "half" } as RequestInit
      const refused = yield* asked(yield* whole())("/api/execute", init)
      assert.strictEqual(refused.status, 413)
      assert.isBelow(sent, 80)
      assert.isTrue(isCancelled)
    })
  )

  it.scoped("ends the execution when the request is aborted", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const service = Stub.layer({
        execute: () =>
          Deferred.succeed(started, void 0).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, void 0))
          )
      })
      const { handler } = yield* whole(Layer.merge(service, ArtifactStore.layerMemory))
      const caller = new AbortController()
      const request = new Request(`${origin}/api/execute`, {
        ...withCode(bearer(aliceKey)),
        signal: caller.signal
      })
      const answered = handler(request, env)
      yield* Deferred.await(started)
      caller.abort()
      yield* Deferred.await(interrupted)
      assert.isAtLeast((yield* Effect.promise(() => answered)).status, 400)
    })
  )
})

describe("the layer of a handler", () => {
  it.effect("is built at the first request, once, and ends with the handler", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const happens = (event: string) => Effect.sync(() => void events.push(event))
      const watched = Layer.scopedDiscard(Effect.acquireRelease(happens("built"), () => happens("ended")))
      const handler = FetchHandler.makeMonitoring(Layer.merge(service, watched))
      const ask = asked(handler)("/api/sandbox/limits", { headers: asAdmin })
      assert.deepStrictEqual(events, [])
      yield* Effect.all([ask, ask], { concurrency: "unbounded" })
      yield* ask
      assert.deepStrictEqual(events, ["built"])
      yield* Effect.promise(handler.dispose)
      assert.deepStrictEqual(events, ["built", "ended"])
    })
  )

  it.effect("makes the handler reject when it cannot be built", () =>
    Effect.gen(function* () {
      const broken = Layer.fail(new Error("E2B_API_KEY: expected a key"))
      const { handler } = FetchHandler.makeMonitoring(Layer.merge(service, broken))
      const failed = yield* Effect.flip(
        Effect.tryPromise(() => handler(new Request(`${origin}/api/sandbox/limits`), env))
      )
      assert.match(String(failed.error), /E2B_API_KEY: expected a key/)
    })
  )
})
