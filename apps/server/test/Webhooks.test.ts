import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { Webhook } from "standardwebhooks"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"
import * as WebhookReceiver from "./WebhookReceiver.js"

const withMethod = (method: string, path: string, body?: unknown) =>
  Caller.fetchJson(path, {
    method,
    headers: { ...Caller.asAdmin.headers, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })

const secretOf = (userId: string) =>
  Effect.map(Caller.get(`/api/webhooks/secret?userId=${userId}`), ({ secret }) => String(secret))

/** Waits until so many messages are in this state, and gives them. */
const messages = (state: string, count: number) =>
  Caller.get(`/api/sandbox/webhook-messages?state=${state}`).pipe(
    Effect.map(({ messages }) => messages),
    Effect.repeat({
      schedule: Schedule.spaced("20 millis"),
      while: (found) => found.length < count
    }),
    Effect.zipRight(Caller.get(`/api/sandbox/webhook-messages?state=${state}`)),
    Effect.map(({ messages }) => messages),
    Effect.timeout("30 seconds"),
    Effect.orDie
  )

it.scopedLive(
  "the webhook of a request is told of its end, in words that its user's secret has signed",
  () =>
    Effect.gen(function* () {
      const receiver = yield* WebhookReceiver.make()
      const server = yield* ServerProcess.start(WebhookReceiver.settings)
      yield* Effect.gen(function* () {
        const secret = yield* secretOf("ann")
        const output = "x".repeat(5000)
        const result = yield* Caller.execute({
          code: `echo ${output}; exit 3`,
          language: "bash",
          userId: "ann",
          webhook: `${receiver.url}/hook?a=b`
        })
        const { body, headers, path, text } = yield* receiver.next
        assert.strictEqual(path, "/hook?a=b")
        new Webhook(secret).verify(text, headers)
        assert.deepInclude(body.data.execution as object, {
          executionId: result.executionId,
          userId: "ann",
          state: "ended",
          language: "bash",
          verdict: "NonZeroExit"
        })
        assert.deepStrictEqual(body.data.cut, ["stdout"])
        assert.strictEqual(body.data.result?.stdout, output.slice(0, 4096))
        assert.strictEqual(body.data.result?.exitCode, 3)
        assert.deepInclude(yield* Effect.map(messages("delivered", 1), ([message]) => message), {
          messageId: headers["webhook-id"],
          executionId: result.executionId,
          attempts: 1,
          outcome: "answered 204"
        })
        const last = (yield* Caller.logs(result.executionId)).at(-1)
        assert.include(last, { event: "webhook_delivered", level: "info" })
        const { webhooks } = yield* Caller.get("/api/sandbox/metrics")
        assert.deepStrictEqual(webhooks, { pending: 0, failed: 0, delivered: 1 })
      }).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
    }),
  60_000
)

it.scopedLive(
  "a standing webhook is told of what it asks for, and what fails is listed, audited and sent again",
  () =>
    Effect.gen(function* () {
      const receiver = yield* WebhookReceiver.make((_, before) => (before.length < 2 ? "is gone" : "takes"))
      const server = yield* ServerProcess.start(WebhookReceiver.settings)
      yield* Effect.gen(function* () {
        const events = ["execution.started", "execution.completed"]
        const set = yield* withMethod("PUT", "/api/sandbox/webhooks/ann", {
          webhooks: [{ url: `${receiver.url}/all`, events }]
        })
        assert.strictEqual(set.status, 200, JSON.stringify(set.body))
        const { executionId } = yield* Caller.execute({ code: ":", language: "bash", userId: "ann" })
        const failed = yield* messages("failed", 2)
        assert.sameMembers(
          // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came.
          failed.map((message: any) => message.event),
          events
        )
        const given = (yield* Caller.logs(executionId)).filter(({ event }) => event === "webhook_failed")
        assert.strictEqual(given.length, 2)
        assert.strictEqual(given[0]?.message, "A message to a webhook was given up: answered 410")
        assert.strictEqual((yield* Caller.get("/api/sandbox/audit/verify")).intact, true)
        const [{ messageId }] = failed
        const again = yield* withMethod("POST", `/api/sandbox/webhook-messages/${messageId}/resend`)
        assert.deepStrictEqual([again.status, again.body], [200, { success: true }])
        yield* messages("delivered", 1)
        assert.strictEqual(receiver.copies.at(-1)?.headers["webhook-id"], messageId)
        const gone = yield* withMethod("POST", `/api/sandbox/webhook-messages/${messageId}/resend`)
        assert.strictEqual(gone.status, 404)
        yield* withMethod("DELETE", "/api/sandbox/webhooks/ann")
        assert.deepStrictEqual(yield* Caller.get("/api/sandbox/webhooks/ann"), { webhooks: [] })
      }).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
    }),
  60_000
)

it.scopedLive(
  "nothing is sent inside, and the request is refused with the reason",
  () =>
    Effect.gen(function* () {
      const receiver = yield* WebhookReceiver.make()
      const server = yield* ServerProcess.start()
      yield* Effect.gen(function* () {
        const refused: ReadonlyArray<readonly [unknown, RegExp]> = [
          [receiver.url, /^webhook: expected a public address, not one inside$/],
          ["http://169.254.169.254/latest", /^webhook: expected a public address/],
          [{ url: "http://[::ffff:10.0.0.1]/" }, /^webhook: expected a public address/],
          ["http://example.com:22/", /^webhook: expected port/],
          ["http://u:p@example.com/", /^webhook: .*user name/],
          ["gopher://example.com", /^webhook: expected a URL that begins/],
          ["", /^webhook: expected a URL/],
          [`https://example.com/${"x".repeat(3000)}`, /^webhook: expected at most 2048 characters/],
          [7, /^webhook: expected /],
          [
            { url: "https://example.com", events: ["all"] },
            /^webhook\.events\.0: expected execution\.queued or/
          ],
          [{ url: "https://example.com", method: "GET" }, /^webhook\.method: is unexpected/]
        ]
        for (const [webhook, message] of refused) {
          const { body, status } = yield* Caller.post({
            code: ":",
            language: "bash",
            webhook: webhook as string
          })
          assert.strictEqual(status, 400)
          assert.match(body.error.message, message)
          assert.notInclude(JSON.stringify(body), "x".repeat(50))
        }
        assert.strictEqual(receiver.copies.length, 0)
      }).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
    }),
  60_000
)

it.scopedLive(
  "a server that sends none refuses a request with one, and has no secrets",
  () =>
    Effect.gen(function* () {
      const server = yield* ServerProcess.start({ SANDBOX_WEBHOOKS: "off" })
      yield* Effect.gen(function* () {
        const { body, status } = yield* Caller.post({
          code: ":",
          language: "bash",
          webhook: "https://example.com/"
        })
        assert.deepStrictEqual(
          [status, body.error.message],
          [400, "webhook: expected no webhook, since this service sends none"]
        )
        const secret = yield* Caller.fetchJson("/api/webhooks/secret", Caller.asAdmin)
        assert.strictEqual(secret.status, 404)
      }).pipe(Effect.provideService(ServerProcess.ServerProcess, server))
    }),
  60_000
)
