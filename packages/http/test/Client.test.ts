import {
  BulkheadClient,
  Conflict,
  ExecutionRefused,
  NotFound,
  RangeNotSatisfiable,
  StoreUnavailable,
  Unauthorized
} from "@bulkhead/api"
import { ExecutionEnded, ExecutionId, ExecutionNotFound, QuotaExceeded } from "@bulkhead/domain"
import { StoreFailure } from "@bulkhead/sandbox"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as StubArtifacts from "./StubArtifactStore.js"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { completed, executionId } = Stub

const client = (token = TestServer.adminToken) =>
  Effect.flatMap(TestServer.TestServer, ({ url }) =>
    BulkheadClient.make({ url, token: Redacted.make(token) })
  )

const serve = (service: Parameters<typeof Stub.layer>[0] = {}, files = {}) =>
  Effect.provide([
    TestServer.layer(Stub.layer(service), {}, StubArtifacts.layer(files)),
    FetchHttpClient.layer
  ])

describe("BulkheadClient", () => {
  const reasons: Array<string> = []

  it.effect("gives results as the domain's values", () =>
    Effect.gen(function* () {
      const { execute, health } = yield* client()
      assert.deepStrictEqual(yield* health(), { status: "ok" })
      assert.deepStrictEqual(yield* execute({ payload: { code: "print('hi')" } }), completed)
    }).pipe(serve({ execute: () => Effect.succeed(completed) }))
  )

  it.effect("fails with what the refusal says", () =>
    Effect.gen(function* () {
      const { execute } = yield* client()
      const refused = yield* Effect.flip(execute({ payload: { code: "x" } }))
      assert.instanceOf(refused, ExecutionRefused)
      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.result.executionId, executionId)
      assert.strictEqual(refused.message, "too many")
    }).pipe(serve({ execute: () => new QuotaExceeded({ executionId, message: "too many", retryAfter: 1 }) }))
  )

  it.effect("has a typed error for each answer of the admin routes", () =>
    Effect.gen(function* () {
      const { admin } = yield* client()
      const kill = (id: string) => Effect.flip(admin.kill({ path: { executionId: id } }))
      assert.instanceOf(yield* kill("exec_1"), Conflict)
      assert.instanceOf(yield* kill("exec_2"), NotFound)
      const stranger = yield* client("wrong")
      const unauthorized = yield* Effect.flip(stranger.admin.metrics({}))
      assert.instanceOf(unauthorized, Unauthorized)
      assert.strictEqual(unauthorized.error.code, "PERMISSION_DENIED")
      assert.strictEqual(unauthorized.message, "Expected 'Authorization: Bearer' and the admin token")
    }).pipe(
      serve({
        killExecution: (id) =>
          id === executionId
            ? new ExecutionEnded({ executionId })
            : new ExecutionNotFound({ executionId: ExecutionId.make("exec_2") })
      })
    )
  )

  it.effect("kills with a reason and without one", () =>
    Effect.gen(function* () {
      const { admin } = yield* client()
      const path = { executionId }
      assert.deepStrictEqual(yield* admin.kill({ path }), { success: true })
      assert.deepStrictEqual(yield* admin.kill({ path, payload: {} }), { success: true })
      const [killed, { status }] = yield* admin.kill({
        path,
        payload: { reason: "costs too much" },
        withResponse: true
      })
      assert.deepStrictEqual([killed, status], [{ success: true }, 200])
      assert.deepStrictEqual(reasons, ["admin_request", "admin_request", "costs too much"])
    }).pipe(serve({ killExecution: (_, reason) => Effect.sync(() => void reasons.push(reason ?? "none")) }))
  )

  it.effect("takes an id for an id, whatever is in it", () =>
    Effect.gen(function* () {
      const { artifacts, executions, uploads, webhooks } = yield* client()
      const other = "../../health#"
      const path = { executionId: other }
      const asked: ReadonlyArray<Effect.Effect<unknown, Error>> = [
        executions.get({ path }),
        executions.kill({ path }),
        artifacts.list({ path })
      ]
      for (const each of asked)
        assert.include((yield* Effect.flip(each)).message, `No execution has the id '${other}'`)
      const file = yield* Effect.flip(uploads.find({ path: { fileId: other }, urlParams: {} }))
      assert.strictEqual(file.message, "There is no such file")
      const resent = yield* Effect.flip(webhooks.resend({ path: { messageId: other } }))
      assert.strictEqual(resent.message, "This service sends no webhooks")
    }).pipe(serve({ getExecution: (executionId) => new ExecutionNotFound({ executionId }) }))
  )

  it.effect("writes the parameters of the lists", () =>
    Effect.gen(function* () {
      const { admin } = yield* client()
      const path = { executionId }
      const [events, answer] = yield* admin.logs({
        path,
        urlParams: { cursor: "a b", limit: 2 },
        withResponse: true
      })
      assert.deepStrictEqual(events, [])
      assert.strictEqual(answer.headers["x-next-cursor"], "a b 2")
      const span = { from: 1, to: 1_767_225_600_000 }
      const page = { userId: TestServer.alice, ...span, cursor: "c", limit: 1000 }
      assert.deepStrictEqual(yield* admin.usage({ urlParams: page }), { usage: [] })
      const query = { ...page, state: "ended" as const, verdict: "Killed" as const }
      assert.deepStrictEqual(yield* admin.executions({ urlParams: query }), {
        executions: [],
        nextCursor: JSON.stringify(query)
      })
      assert.instanceOf(yield* Effect.flip(admin.verifyAudit({})), StoreUnavailable)
    }).pipe(
      serve({
        getEvents: (_, { cursor, limit } = {}) =>
          Effect.succeed({ items: [], nextCursor: `${cursor} ${limit}` }),
        getUsage: () => Effect.succeed({ items: [] }),
        listExecutions: ({ cursor, from, limit, state, to, userId, verdict } = {}) =>
          Effect.succeed({
            items: [],
            nextCursor: JSON.stringify({ userId, from, to, cursor, limit, state, verdict })
          }),
        verifyAudit: new StoreFailure({ message: "no" })
      })
    )
  )

  const name = "plots/50% of #1? ü;.txt"
  it.effect("reads artifacts, whatever their names", () =>
    Effect.gen(function* () {
      const { artifacts } = yield* client()
      const read = (headers: { readonly range?: string }) =>
        artifacts.read({ path: { executionId, name }, headers })
      assert.strictEqual(Buffer.from(yield* read({})).toString(), "0123456789")
      assert.strictEqual(Buffer.from(yield* read({ range: "bytes=-3" })).toString(), "789")
      assert.instanceOf(yield* Effect.flip(read({ range: "bytes=10-" })), RangeNotSatisfiable)
      const other = artifacts.read({ path: { executionId, name: "other.txt" }, headers: {} })
      assert.instanceOf(yield* Effect.flip(other), NotFound)
    }).pipe(
      serve(
        { getExecution: () => Effect.succeed(StubArtifacts.recordOf({ [name]: "0123456789" })) },
        { [name]: "0123456789" }
      )
    )
  )
})
