import { ExecutionId, type WebhookDelivery, WebhookMessageNotFound, WebhookRefused } from "@bulkhead/domain"
import { StoreFailure, type Webhooks } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Effect, Layer, Logger } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as StubWebhooks from "./StubWebhooks.js"
import * as TestServer from "./TestServer.js"

const { alice, aliceKey, asAdmin, bearer, json, send } = TestServer

type Service = Context.Tag.Service<Webhooks>

const serve = (webhooks: Partial<Service>, callerKeys = TestServer.callerKeys) =>
  Effect.provide(Layer.provide(TestServer.layer(Stub.layer(), { callerKeys }), StubWebhooks.layer(webhooks)))

const withoutSender = Effect.provide(TestServer.layer(Stub.layer(), { callerKeys: TestServer.callerKeys }))

const get = (path: string, headers = asAdmin) => send(path, { headers })
const post = (path: string, headers = asAdmin) => send(path, { method: "POST", headers })
const put = (path: string, body: unknown) =>
  send(path, {
    method: "PUT",
    headers: { ...asAdmin, "content-type": "application/json" },
    body: JSON.stringify(body)
  })

const ofAlice = "/api/sandbox/webhooks/alice"
const hook = { url: "https://example.com/hook", events: ["execution.completed"] as const }

const errorOf = (answer: TestServer.Answer) => [
  answer.status,
  json(answer).error.code,
  json(answer).error.message
]

describe("the operator's routes for webhooks", () => {
  it.effect("show, set and remove a user's standing webhooks", () => {
    const set: Array<unknown> = []
    return Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* get(ofAlice)), { webhooks: [hook] })
      const answer = yield* put(ofAlice, { webhooks: [hook.url, { ...hook, events: ["execution.queued"] }] })
      const both = [hook, { ...hook, events: ["execution.queued"] }]
      assert.deepStrictEqual(json(answer), { webhooks: both })
      assert.deepStrictEqual(json(yield* send(ofAlice, { method: "DELETE", headers: asAdmin })), {
        webhooks: []
      })
      assert.deepStrictEqual(set, [
        [alice, both],
        [alice, []]
      ])
    }).pipe(
      serve({
        standing: () => Effect.succeed([hook]),
        setStanding: (...given) => Effect.sync(() => void set.push(given))
      })
    )
  })

  it.effect("refuse what is not of the contract's form, and name the field", () =>
    Effect.gen(function* () {
      const refused: ReadonlyArray<readonly [unknown, RegExp]> = [
        [{}, /^webhooks: is missing/],
        [{ webhooks: ["ftp://example.com"] }, /^webhooks\.0: expected a URL that begins with https/],
        [{ webhooks: [{ url: "http://a:b@example.com" }] }, /^webhooks\.0\.url: .+ without a user name/],
        [{ webhooks: [{ url: "http://example.com/#a" }] }, /^webhooks\.0\.url: .+ without a fragment/],
        [
          { webhooks: [{ ...hook, events: ["execution.ended"] }] },
          /^webhooks\.0\.events\.0: expected execution\.queued or/
        ],
        [{ webhooks: [{ ...hook, events: [] }] }, /^webhooks\.0\.events: expected 1 to 3 events/],
        [{ webhooks: [{ ...hook, secret: "x" }] }, /^webhooks\.0\.secret: is unexpected/],
        [{ webhooks: Array(9).fill(hook) }, /^webhooks: expected at most 8 webhooks/],
        [{ webhooks: [hook], also: 1 }, /^also: is unexpected/],
        [[], /^body: expected a JSON object|^body: /]
      ]
      for (const [body, message] of refused) {
        const answer = yield* put(ofAlice, body)
        assert.strictEqual(answer.status, 400, answer.text)
        assert.match(json(answer).error.message, message)
        assert.isBelow(answer.text.length, 1000)
      }
      const inside = yield* put(ofAlice, { webhooks: [hook] })
      assert.deepStrictEqual(errorOf(inside), [
        400,
        "INVALID_REQUEST",
        "webhooks.0: expected a public address"
      ])
    }).pipe(
      serve({
        setStanding: () => new WebhookRefused({ message: "webhooks.0: expected a public address" })
      })
    )
  )

  it.effect("list messages and send one again", () => {
    const message: WebhookDelivery = {
      messageId: "msg_1",
      executionId: ExecutionId.make("exec_1"),
      userId: alice,
      event: "execution.completed",
      url: hook.url,
      state: "failed",
      attempts: 3,
      createdAt: 1,
      settledAt: 2,
      outcome: "answered 500"
    }
    return Effect.gen(function* () {
      const answer = yield* get("/api/sandbox/webhook-messages?userId=alice&state=failed&limit=1")
      assert.deepStrictEqual(json(answer), { messages: [message], nextCursor: "next" })
      assert.strictEqual((yield* get("/api/sandbox/webhook-messages?state=lost")).status, 400)
      assert.strictEqual((yield* get("/api/sandbox/webhook-messages?user=alice")).status, 400)
      assert.deepStrictEqual(json(yield* post("/api/sandbox/webhook-messages/msg_1/resend")), {
        success: true
      })
      const unknown = yield* post("/api/sandbox/webhook-messages/msg_2/resend")
      assert.deepStrictEqual(errorOf(unknown), [
        404,
        "NOT_FOUND",
        "No message that failed has the id 'msg_2'"
      ])
    }).pipe(
      serve({
        messages: (query) =>
          Effect.sync(() => {
            assert.deepStrictEqual({ ...query }, { userId: alice, state: "failed", limit: 1 })
            return { items: [message], nextCursor: "next" }
          }),
        resend: (messageId) =>
          messageId === "msg_1" ? Effect.void : new WebhookMessageNotFound({ messageId })
      })
    )
  })

  it.effect("are the operator's alone", () =>
    Effect.gen(function* () {
      for (const headers of [{}, bearer("wrong"), bearer(aliceKey)]) {
        assert.strictEqual((yield* send(ofAlice, { headers })).status, 401)
        assert.strictEqual((yield* send("/api/sandbox/webhook-messages", { headers })).status, 401)
        const again = yield* send("/api/sandbox/webhook-messages/msg_1/resend", { method: "POST", headers })
        assert.strictEqual(again.status, 401)
      }
    }).pipe(serve({}))
  )

  it.effect("answer 404 where none are sent, and 503 where the store cannot be read or changed", () =>
    Effect.gen(function* () {
      const off = [404, "NOT_FOUND", "This service sends no webhooks"]
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(errorOf(yield* get(ofAlice)), off)
        assert.deepStrictEqual(errorOf(yield* put(ofAlice, { webhooks: [] })), off)
        assert.deepStrictEqual(errorOf(yield* get("/api/sandbox/webhook-messages")), off)
        assert.deepStrictEqual(errorOf(yield* get("/api/webhooks/secret")), off)
      }).pipe(withoutSender)
      const failure = new StoreFailure({ message: "lost", cause: new Error("at /secret/place") })
      yield* Effect.gen(function* () {
        const answer = yield* get(ofAlice)
        assert.strictEqual(answer.status, 503)
        assert.isDefined(answer.headers.get("retry-after"))
        assert.notInclude(answer.text, "secret")
        const words = (verb: string) => [
          503,
          "RECORD_UNAVAILABLE",
          `The record of webhooks cannot be ${verb} at present`
        ]
        assert.deepStrictEqual(errorOf(answer), words("read"))
        assert.deepStrictEqual(errorOf(yield* put(ofAlice, { webhooks: [] })), words("changed"))
        assert.deepStrictEqual(errorOf(yield* post("/api/webhooks/secret/rotate")), words("changed"))
      }).pipe(serve({ standing: () => failure, setStanding: () => failure, rotateSecret: () => failure }))
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
  )
})

describe("the secrets that sign", () => {
  const secrets: Partial<Service> = {
    secret: (userId) => Effect.succeed({ secret: `whsec_${userId}` }),
    rotateSecret: (userId, hours) =>
      Effect.succeed({ secret: "whsec_new", previous: `whsec_${userId}`, previousUntil: hours })
  }

  it.effect("are each caller's own", () =>
    Effect.gen(function* () {
      const own = yield* get("/api/webhooks/secret", bearer(aliceKey))
      assert.deepStrictEqual(json(own), { secret: "whsec_alice" })
      const named = yield* get("/api/webhooks/secret?userId=alice", bearer(aliceKey))
      assert.deepStrictEqual(json(named), { secret: "whsec_alice" })
      for (const answer of [
        yield* get("/api/webhooks/secret?userId=bob", bearer(aliceKey)),
        yield* post("/api/webhooks/secret/rotate?userId=bob", bearer(aliceKey))
      ]) {
        assert.deepStrictEqual(errorOf(answer).slice(0, 2), [403, "PERMISSION_DENIED"])
        assert.notInclude(answer.text, "whsec")
      }
      for (const headers of [{}, bearer("wrong")])
        assert.strictEqual((yield* send("/api/webhooks/secret", { headers })).status, 401)
    }).pipe(serve(secrets))
  )

  it.effect("are the operator's too, whosever they are", () =>
    Effect.gen(function* () {
      const answer = yield* get("/api/webhooks/secret?userId=bob")
      assert.deepStrictEqual(json(answer), { secret: "whsec_bob" })
    }).pipe(serve(secrets))
  )

  it.effect("are anybody's where there are no keys", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(json(yield* send("/api/webhooks/secret")), { secret: "whsec_anonymous" })
      const answer = yield* send("/api/webhooks/secret?userId=bob")
      assert.deepStrictEqual(json(answer), { secret: "whsec_bob" })
    }).pipe(serve(secrets, []))
  )

  it.effect("are made anew for so many hours", () =>
    Effect.gen(function* () {
      const path = "/api/webhooks/secret/rotate"
      const usual = yield* post(path, bearer(aliceKey))
      assert.deepStrictEqual(json(usual), {
        secret: "whsec_new",
        previous: "whsec_alice",
        previousUntil: 24
      })
      assert.strictEqual(json(yield* post(`${path}?overlapHours=0`, bearer(aliceKey))).previousUntil, 0)
      for (const hours of ["-1", "169", "1.5", "x"]) {
        const answer = yield* post(`${path}?overlapHours=${hours}`, bearer(aliceKey))
        assert.strictEqual(answer.status, 400)
        assert.match(json(answer).error.message, /^overlapHours: expected a whole number of hours, 0 to 168/)
      }
    }).pipe(serve(secrets))
  )
})
