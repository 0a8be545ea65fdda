import { createServer } from "node:http"
import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Ref } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const secrets = {
  ADMIN_API_TOKEN: "hush-the-admin-token",
  SANDBOX_API_KEYS: "ann:hush-the-key-of-ann,bob:hush-the-key-of-bob",
  E2B_API_KEY: "e2b_hush",
  DATABASE_URL: "postgresql://ann:hush-the-password@127.0.0.1:1/bulkhead"
}

const execute = (key: string) =>
  Caller.fetchJson("/api/execute", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ code: "print(1)", timeout: 1 })
  })

/** Answers every request with 401, and remembers the keys. */
const refusingE2B = Effect.gen(function* () {
  const keys = yield* Ref.make<ReadonlyArray<string>>([])
  const refuse = Effect.gen(function* () {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    yield* Ref.update(keys, (others) => [...others, headers["x-api-key"] ?? ""])
    return yield* HttpServerResponse.json({ code: 401, message: "no such key" }, { status: 401 })
  })
  const server = yield* NodeHttpServer.make(createServer, { host: "127.0.0.1", port: 0 })
  yield* server.serve(refuse)
  assert(server.address._tag === "TcpAddress")
  return { keys, url: `http://127.0.0.1:${server.address.port}` }
})

/** What a server wrote in its whole life. */
const writtenBy = Effect.fnUntraced(function* (
  settings: Readonly<Record<string, string>>,
  use: Effect.Effect<unknown, never, ServerProcess.ServerProcess>
) {
  const server = yield* ServerProcess.start({ SANDBOX_EVENT_LOG: "stdout", ...settings })
  yield* Effect.provideService(use, ServerProcess.ServerProcess, server)
  yield* server.kill("SIGTERM")
  return yield* server.ended
})

describe("what the server writes", () => {
  it.scopedLive("has none of its secrets", () =>
    Effect.gen(function* () {
      const { DATABASE_URL: _, ...others } = secrets
      const { stderr, stdout } = yield* writtenBy(
        { ...others, SANDBOX_BACKEND: "embedded", SANDBOX_INSTANCE: "main-1" },
        Effect.gen(function* () {
          assert.strictEqual((yield* execute("hush-the-key-of-ann")).status, 200)
          assert.strictEqual((yield* execute("hush-another-key")).status, 401)
          const admin = { headers: { authorization: `Bearer ${secrets.ADMIN_API_TOKEN}` } }
          assert.strictEqual((yield* Caller.fetchJson("/api/sandbox/metrics", admin)).status, 200)
        })
      )
      assert.include(stdout, '"event":"execution_completed"')
      assert.match(stderr, /^ {2}admin token +from ADMIN_API_TOKEN$/m)
      assert.match(stderr, /^ {2}instance +main-\d$/m)
      assert.match(stderr, /^ {2}data +\/\S+$/m)
      assert.notInclude(stdout, "hush")
      assert.notInclude(stderr, "hush")
    })
  )

  it.scopedLive("has no key of an E2B that refuses it", () =>
    Effect.gen(function* () {
      const { keys, url } = yield* refusingE2B
      const { stderr, stdout } = yield* writtenBy(
        {
          SANDBOX_BACKEND: "e2b",
          E2B_API_KEY: secrets.E2B_API_KEY,
          E2B_API_URL: url,
          SANDBOX_MAX_RETRIES: "0"
        },
        Effect.map(execute("none"), ({ status }) => assert.strictEqual(status, 502))
      )
      assert.include(yield* Ref.get(keys), secrets.E2B_API_KEY)
      assert.include(stdout, "could not be listed")
      assert.notInclude(stdout, "hush")
      assert.notInclude(stderr, "hush")
    })
  )

  it.scopedLive("has no password of a database that cannot be reached", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* ServerProcess.refused({ DATABASE_URL: secrets.DATABASE_URL })
      assert.strictEqual(code, 1)
      assert.match(
        stderr,
        /^bulkhead: DATABASE_URL: The database could not be opened: connection refused[^\n]*\n$/
      )
      assert.notInclude(stdout + stderr, "hush")
    })
  )

  it.scopedLive("has the admin token that nobody chose, once", () =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* writtenBy({ ADMIN_API_TOKEN: "" }, Caller.fetchJson("/health"))
      const token = /admin token +(\S+)/.exec(stderr)?.[1] ?? ""
      assert.match(token, /^[\w-]{32}$/)
      assert.strictEqual(stderr.split(token).length, 2)
      assert.notInclude(stdout, token)
    })
  )
})
