import { request } from "node:http"
import { connect } from "node:net"
import { gzipSync } from "node:zlib"
import {
  IdempotencyConflict,
  InvalidRequest,
  MaliciousCode,
  PermissionDenied,
  PolicyRefused,
  QueueTimeout,
  QuotaExceeded,
  RecordUnavailable,
  type Refusal,
  RequestTooLarge,
  ShuttingDown,
  SystemAtCapacity
} from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { completed, executionId } = Stub

const serve = (...args: Parameters<typeof TestServer.layer>) => Effect.provide(TestServer.layer(...args))

const echo = Stub.layer({
  execute: (request, options) =>
    Effect.succeed({ ...completed, stdout: JSON.stringify({ request, userId: options?.userId }) })
})

const assertRefusal = (answer: TestServer.Answer, status: number, code: string, message: RegExp) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/)
  const body = TestServer.json(answer)
  assert.isFalse(body.success)
  assert.strictEqual(body.verdict, "Rejected")
  assert.match(body.executionId, /^exec_/)
  assert.strictEqual(body.error.code, code)
  assert.match(body.error.message, message)
  assert.deepStrictEqual(body.metrics, { retries: 0 })
}

describe("POST /api/execute", () => {
  it.effect("answers with the result", () =>
    Effect.gen(function* () {
      const answer = yield* TestServer.execute({ code: "print('hi')" })
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(TestServer.json(answer), { ...completed })
    }).pipe(serve(Stub.layer({ execute: () => Effect.succeed(completed) })))
  )

  it.effect("hands whatever JSON it gets to the service", () =>
    Effect.gen(function* () {
      for (const body of ['{"code":1}', "null", "[1]", "7", '"text"', '{"code":"é"}']) {
        const answer = yield* TestServer.execute(body)
        assert.deepStrictEqual(JSON.parse(TestServer.json(answer).stdout), { request: JSON.parse(body) })
      }
    }).pipe(serve(echo))
  )

  const infrastructure = { ...completed, success: false, verdict: "InternalError" as const }

  it.effect("answers 502 when the provider failed before the program could start", () =>
    Effect.gen(function* () {
      const answer = yield* TestServer.execute({ code: "x" })
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(TestServer.json(answer).verdict, "InternalError")
    }).pipe(
      serve(Stub.layer({ execute: () => Effect.succeed({ ...infrastructure, metrics: { retries: 3 } }) }))
    )
  )

  it.effect("answers 200 when it failed later", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* TestServer.execute({ code: "x" })).status, 200)
    }).pipe(serve(Stub.layer({ execute: () => Effect.succeed(infrastructure) })))
  )

  const message = "the reason"
  const refusals: ReadonlyArray<readonly [Refusal, number, string]> = [
    [new InvalidRequest({ executionId, field: "code", message }), 400, "INVALID_REQUEST"],
    [new PermissionDenied({ executionId, message }), 403, "PERMISSION_DENIED"],
    [new MaliciousCode({ executionId, message }), 403, "MALICIOUS_CODE"],
    [new PolicyRefused({ executionId, field: "gpu", message }), 422, "PERMISSION_DENIED"],
    [new RequestTooLarge({ executionId, field: "code", message }), 413, "INVALID_REQUEST"],
    [new SystemAtCapacity({ executionId, message, retryAfter: 7 }), 429, "SYSTEM_AT_CAPACITY"],
    [new QuotaExceeded({ executionId, message, retryAfter: 7 }), 429, "QUOTA_EXCEEDED"],
    [new QueueTimeout({ executionId, message, retryAfter: 7 }), 429, "QUEUE_TIMEOUT"],
    [new IdempotencyConflict({ executionId, message }), 422, "CONFLICT"],
    [new RecordUnavailable({ executionId, message, retryAfter: 7 }), 503, "RECORD_UNAVAILABLE"],
    [new ShuttingDown({ executionId, message, retryAfter: 7 }), 503, "SANDBOX_BUSY"]
  ]
  for (const [refusal, status, code] of refusals) {
    it.effect(`answers ${refusal._tag} with ${status}`, () =>
      Effect.gen(function* () {
        const answer = yield* TestServer.execute({ code: "x" })
        assertRefusal(answer, status, code, /^the reason$/)
        assert.strictEqual(answer.headers.get("retry-after"), "retryAfter" in refusal ? "7" : null)
        assert.strictEqual(TestServer.json(answer).executionId, executionId)
      }).pipe(serve(Stub.layer({ execute: () => Effect.fail(refusal) })))
    )
  }

  it.effect("takes the idempotency key from the header where the body has none", () =>
    Effect.gen(function* () {
      const requestOf = (answer: TestServer.Answer) => JSON.parse(TestServer.json(answer).stdout).request
      const header = { "Idempotency-Key": "k1" }
      const withKey = { code: "x", idempotencyKey: "k1" }
      assert.deepStrictEqual(requestOf(yield* TestServer.execute({ code: "x" }, header)), withKey)
      assert.deepStrictEqual(requestOf(yield* TestServer.execute(withKey, header)), withKey)
      assert.deepStrictEqual(requestOf(yield* TestServer.execute(withKey)), withKey)
      assert.deepStrictEqual(
        requestOf(yield* TestServer.execute({ code: "x", idempotencyKey: null }, header)),
        withKey
      )
      assert.deepStrictEqual(requestOf(yield* TestServer.execute("[1]", header)), [1])
      for (const other of ["k2", "", 1]) {
        const answer = yield* TestServer.execute({ code: "x", idempotencyKey: other }, header)
        assertRefusal(answer, 400, "INVALID_REQUEST", /^idempotencyKey: expected no other key than/)
      }
    }).pipe(serve(echo))
  )

  it.effect("refuses what is not JSON, and says why", () =>
    Effect.gen(function* () {
      const long = "a".repeat(100_000)
      const bodies: ReadonlyArray<readonly [string | Uint8Array, RegExp]> = [
        ["", /but it is empty$/],
        ["{", /it ends too early, at byte 2$/],
        ["{'code': 1}", /there is no name in quotes or }, at byte 2$/],
        ["code=1", /there is no value, at byte 1$/],
        ['{"code": "1",}', /there is no name in quotes, at byte 14$/],
        ['{"code" 1}', /there is no colon, at byte 9$/],
        ["[1 2]", /there is no comma or the end of the array or object, at byte 4$/],
        ["1 2", /something follows the value, at byte 3$/],
        [`{"code": "${long}\n"}`, /the parser says: Bad control character .* position 100010\b/],
        ['{"code": "\\x"}', /the parser says: Bad escaped character/],
        ['{"code": nul}', /the parser says: Unexpected token '}'$/],
        [new Uint8Array([0x22, 0xff, 0x22]), /but it is not UTF-8$/],
        [gzipSync('{"code": "1"}'), /there is no value, at byte 1$/]
      ]
      for (const [body, reason] of bodies) {
        const answer = yield* TestServer.send("/api/execute", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body
        })
        assertRefusal(answer, 400, "INVALID_REQUEST", /^(body|code): expected JSON in UTF-8, but .{1,150}$/)
        assertRefusal(answer, 400, "INVALID_REQUEST", reason)
      }
    }).pipe(serve(Stub.layer()))
  )

  it.effect("refuses a body that is encoded", () =>
    Effect.gen(function* () {
      const body = gzipSync('{"code": "1"}')
      const headers = { "content-type": "application/json", "content-encoding": "gzip" }
      const answer = yield* TestServer.send("/api/execute", { method: "POST", headers, body })
      assertRefusal(answer, 415, "INVALID_REQUEST", /^content-encoding: expected none$/)
      const plain = yield* TestServer.execute({ code: "x" }, { "content-encoding": "identity" })
      assert.strictEqual(plain.status, 200)
    }).pipe(serve(echo))
  )

  it.effect("refuses other content types", () =>
    Effect.gen(function* () {
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"]) {
        const answer = yield* TestServer.execute({ code: "x" }, { "content-type": type })
        assertRefusal(
          answer,
          415,
          "INVALID_REQUEST",
          /^content-type: expected application\/json or multipart\/form-data$/
        )
      }
      const spelled = yield* TestServer.execute(
        { code: "x" },
        { "content-type": "Application/JSON; charset=utf-8" }
      )
      assert.strictEqual(spelled.status, 200)
    }).pipe(serve(echo))
  )

  it.effect("refuses a body of 30 MB and goes on answering", () =>
    Effect.gen(function* () {
      const code = "x".repeat(30_000_000)
      assertRefusal(
        yield* TestServer.execute({ code }),
        413,
        "INVALID_REQUEST",
        /^body: expected at most 16777216 bytes$/
      )
      const unannounced = yield* TestServer.send("/api/execute", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: new Blob([JSON.stringify(code)]).stream(),
        duplex: "half"
      } as RequestInit)
      assertRefusal(unannounced, 413, "INVALID_REQUEST", /^body: /)
      assert.strictEqual((yield* TestServer.execute({ code: "x".repeat(7_000_000) })).status, 200)
    }).pipe(serve(echo))
  )

  it.effect("ends the execution when the caller hangs up", () =>
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
      yield* Effect.gen(function* () {
        const { url } = yield* TestServer.TestServer
        const socket = connect(Number(new URL(url).port), "127.0.0.1")
        socket.write(
          "POST /api/execute HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-type: application/json\r\n" +
            "content-length: 2\r\n\r\n{}"
        )
        yield* Deferred.await(started)
        socket.destroy()
        yield* Deferred.await(interrupted)
      }).pipe(serve(service))
    })
  )
})

describe("callers' keys", () => {
  const withKeys = { callerKeys: TestServer.callerKeys }
  const userOf = (answer: TestServer.Answer) => JSON.parse(TestServer.json(answer).stdout).userId

  it.effect("without keys the service takes the request's user", () =>
    Effect.gen(function* () {
      assert.isUndefined(userOf(yield* TestServer.execute({ code: "x", userId: "mallory" })))
    }).pipe(serve(echo))
  )

  for (const [host, status] of [
    ["localhost:80", 200],
    ["[::1]:80", 200],
    ["attacker.example", 403],
    ["127.0.0.1.attacker.example", 403]
  ] as const) {
    it.effect(`without keys a request to the host ${host} answers ${status}`, () =>
      Effect.gen(function* () {
        const { url } = yield* TestServer.TestServer
        const headers = { host, "content-type": "application/json" }
        const answered = yield* Effect.async<number | undefined>((resume) => {
          request(`${url}/api/execute`, { method: "POST", headers }, (response) => {
            response.resume()
            resume(Effect.succeed(response.statusCode))
          }).end('{"code": "x"}')
        })
        assert.strictEqual(answered, status)
      }).pipe(serve(echo))
    )
  }

  it.effect("the user is the key's, whatever the body says", () =>
    Effect.gen(function* () {
      const headers = TestServer.bearer(TestServer.aliceKey)
      assert.strictEqual(userOf(yield* TestServer.execute({ code: "x", userId: "bob" }, headers)), "alice")
      const bob = yield* TestServer.execute({ code: "x" }, TestServer.bearer("the-key-of-bob"))
      assert.strictEqual(userOf(bob), "bob")
    }).pipe(serve(echo, withKeys))
  )

  it.effect("refuses who holds none, before the body is looked at", () =>
    Effect.gen(function* () {
      const { adminToken, aliceKey, bearer } = TestServer
      const wrong = [{}, bearer("wrong"), bearer(adminToken), bearer(`${aliceKey}x`)]
      for (const headers of [...wrong, { authorization: `Basic ${aliceKey}` }, { authorization: aliceKey }]) {
        const answer = yield* TestServer.execute("{", headers as Record<string, string>)
        assertRefusal(answer, 401, "PERMISSION_DENIED", /caller's key/)
        assert.strictEqual(answer.headers.get("www-authenticate"), "Bearer")
      }
    }).pipe(serve(Stub.layer(), withKeys))
  )
})

describe("a mistake of the server's own", () => {
  it.effect("answers 500 without telling its cause", () =>
    Effect.gen(function* () {
      const answer = yield* TestServer.execute({ code: "x" })
      assert.strictEqual(answer.status, 500)
      assert.deepStrictEqual(TestServer.json(answer), {
        success: false,
        error: {
          code: "INTERNAL_ERROR",
          message: "The server failed; its log says why",
          category: "internal",
          retryable: false
        }
      })
    }).pipe(serve(Stub.layer()))
  )
})
