import { request as httpRequest } from "node:http"
import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

const own = { "x-bulkhead-dashboard": "1" }

/** `fetch` sends no `Origin`, `Cookie` or `Sec-Fetch-Site` of the test's choice. */
const send = (path: string, headers: Readonly<Record<string, string>> = own, method = "GET") =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    Effect.async<Answer>((resume) => {
      const sent = httpRequest(`${url}${path}`, { method, headers }, (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk) => chunks.push(chunk))
        response.on("end", () =>
          resume(
            Effect.succeed({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text: Buffer.concat(chunks).toString()
            })
          )
        )
      })
      sent.on("error", (error) => resume(Effect.die(error)))
      sent.end()
    })
  )

const bearer = { authorization: `Bearer ${ServerProcess.adminToken}` }

const cookieOf = ({ headers }: Answer) => String(headers["set-cookie"])

const signIn = Effect.map(send("/dashboard/session", { ...own, ...bearer }, "POST"), (answer) => {
  assert.strictEqual(answer.status, 204, answer.text)
  return { answer, cookie: cookieOf(answer).replace(/;.*/s, "") }
})

const metrics = "/dashboard/api/sandbox/metrics"

/** Reads a stream as far as its first event, and tells then whether it came to its end or was cut. */
const reading = (path: string, cookie: string) =>
  Effect.gen(function* () {
    const { url } = yield* ServerProcess.ServerProcess
    const begun = yield* Deferred.make<string>()
    const ended = yield* Deferred.make<boolean>()
    const sent = httpRequest(`${url}${path}`, { headers: { ...own, cookie } }, (response) => {
      response.once("data", (chunk) => Deferred.unsafeDone(begun, Effect.succeed(String(chunk))))
      response.on("error", () => undefined)
      response.on("close", () => Deferred.unsafeDone(ended, Effect.succeed(response.complete)))
    })
    sent.on("error", () => undefined)
    sent.end()
    yield* Deferred.await(begun)
    return { isWhole: Deferred.await(ended) }
  })

it.scopedLive("an open dashboard does not hold up the end of the server", () =>
  Effect.gen(function* () {
    const server = yield* ServerProcess.start()
    yield* Effect.gen(function* () {
      const { cookie } = yield* signIn
      const { isWhole } = yield* reading("/dashboard/live", cookie)
      yield* server.kill("SIGTERM")
      assert.isTrue(yield* isWhole)
      assert.strictEqual((yield* server.ended).code, 0)
    }).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
  })
)

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: 60_000 })("the dashboard", (it) => {
  describe("signing in", () => {
    it.effect(
      "gives a cookie that no script reads and no other site's page sends, for the dashboard alone",
      () =>
        Effect.gen(function* () {
          const { answer, cookie } = yield* signIn
          const [, ...attributes] = cookieOf(answer).split("; ")
          assert.sameMembers(attributes, ["Max-Age=28800", "Path=/dashboard", "HttpOnly", "SameSite=Strict"])
          assert.isAbove(cookie.length, 50)
          assert.strictEqual(answer.headers["cache-control"], "no-store")

          const behindTls = yield* send(
            "/dashboard/session",
            { ...own, ...bearer, "x-forwarded-proto": "https" },
            "POST"
          )
          assert.include(cookieOf(behindTls), "; Secure")
        })
    )

    it.effect("opens what operators may do beneath /dashboard, and nothing of the API itself", () =>
      Effect.gen(function* () {
        const { cookie } = yield* signIn
        const signedIn = { ...own, cookie }
        const opened = yield* send(metrics, signedIn)
        assert.strictEqual(opened.status, 200, opened.text)
        assert.include(opened.text, "activeExecutions")
        const session = JSON.parse((yield* send("/dashboard/session", signedIn)).text)
        assert.includeMembers(session.verdicts, ["Completed", "Killed"])

        assert.strictEqual((yield* send("/api/sandbox/metrics", signedIn)).status, 401)
        assert.strictEqual((yield* send("/api/sandbox/kill/exec_1", signedIn, "POST")).status, 401)
        for (const path of ["/api/execute", "/api/executions/exec_1/kill", "/api/files", "/docs", "/mcp"])
          assert.strictEqual((yield* send(`/dashboard${path}`, signedIn, "POST")).status, 404, path)
        assert.strictEqual((yield* send("/dashboard/api/webhooks/secret", signedIn)).status, 404)
        assert.strictEqual((yield* send("/dashboard/api/sandbox/../execute", signedIn, "POST")).status, 404)
      })
    )

    it.effect("is over with signing out, also for what is read at that moment", () =>
      Effect.gen(function* () {
        const { cookie } = yield* signIn
        const { isWhole } = yield* reading("/dashboard/live", cookie)
        yield* send("/dashboard/session", { ...own, cookie }, "DELETE")
        assert.isTrue(yield* isWhole)
      })
    )

    it.effect("is over with signing out, and a cookie that was made up opens nothing", () =>
      Effect.gen(function* () {
        const { cookie } = yield* signIn
        const out = yield* send("/dashboard/session", { ...own, cookie }, "DELETE")
        assert.strictEqual(out.status, 204)
        assert.match(cookieOf(out), /^bulkhead_session=;.*Path=\/dashboard/)
        for (const given of [cookie, "", "bulkhead_session=", "bulkhead_session=__proto__", "a=b"]) {
          const answer = yield* send(metrics, { ...own, cookie: given })
          assert.strictEqual(answer.status, 401, given)
          assert.strictEqual(JSON.parse(answer.text).error.code, "PERMISSION_DENIED")
        }
        assert.strictEqual((yield* send("/dashboard/session", { ...own, cookie })).status, 204)
        assert.strictEqual((yield* send("/dashboard/live", { ...own, cookie })).status, 401)
      })
    )
  })

  describe("a page of another origin", () => {
    const foreign: ReadonlyArray<Readonly<Record<string, string>>> = [
      {},
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { ...own, "sec-fetch-site": "cross-site" },
      { ...own, "sec-fetch-site": "same-site" },
      { ...own, origin: "https://evil.example" },
      { ...own, origin: "null" },
      { ...own, origin: "http://127.0.0.1:1" }
    ]

    it.effect("neither reads nor changes anything with an operator's cookie, and signs nobody in", () =>
      Effect.gen(function* () {
        const { cookie } = yield* signIn
        for (const headers of foreign) {
          const words = JSON.stringify(headers)
          for (const [method, path] of [
            ["GET", metrics],
            ["PUT", "/dashboard/api/sandbox/limits"],
            ["POST", "/dashboard/api/sandbox/kill/exec_1"],
            ["GET", "/dashboard/live"],
            ["DELETE", "/dashboard/session"]
          ] as const)
            assert.strictEqual(
              (yield* send(path, { ...headers, cookie }, method)).status,
              403,
              `${method} ${path} ${words}`
            )
          const signing = yield* send("/dashboard/session", { ...headers, ...bearer }, "POST")
          assert.strictEqual(signing.status, 403, words)
          assert.isUndefined(signing.headers["set-cookie"])
        }
        assert.strictEqual((yield* send(metrics, { ...own, cookie })).status, 200)
        const { url } = yield* ServerProcess.ServerProcess
        const itself = { ...own, cookie, origin: url, "sec-fetch-site": "same-origin" }
        assert.strictEqual((yield* send(metrics, itself)).status, 200)
      })
    )
  })

  it.effect("sends files that load nothing from elsewhere and run nothing inline", () =>
    Effect.gen(function* () {
      for (const path of ["", "/", "/dashboard.js", "/dashboard.css", "/icon.svg"]) {
        const { headers, status } = yield* send(`/dashboard${path}`, {})
        assert.strictEqual(status, 200, path)
        const policy = String(headers["content-security-policy"])
        assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /)
        assert.notMatch(policy, /unsafe|https?:|\*|data:/)
        assert.include(headers, { "x-content-type-options": "nosniff", "x-frame-options": "DENY" })
      }
      const { text } = yield* send("/dashboard", {})
      assert.notMatch(text, /<script>|<style|style=|\son\w+=|https?:/)
      const unknown = yield* send("/dashboard/../../etc/passwd", own)
      assert.include([401, 404], unknown.status)
      assert.strictEqual((yield* send("/dashboardx", {})).status, 404)
    })
  )

  it.effect("lets an address wait after five wrong tokens, also with the right one", () =>
    Effect.gen(function* () {
      const wrong = { ...own, authorization: "Bearer wrong" }
      for (let count = 0; count < 5; count++) {
        const answer = yield* send("/dashboard/session", wrong, "POST")
        assert.strictEqual(answer.status, 401)
        assert.isUndefined(answer.headers["set-cookie"])
      }
      for (const headers of [wrong, { ...own, ...bearer }]) {
        const answer = yield* send("/dashboard/session", headers, "POST")
        assert.strictEqual(answer.status, 429)
        assert.isAtMost(Number(answer.headers["retry-after"]), 60)
        assert.isTrue(JSON.parse(answer.text).error.retryable)
      }
      assert.strictEqual((yield* Caller.fetchJson("/api/sandbox/metrics", Caller.asAdmin)).status, 200)
    })
  )
})
