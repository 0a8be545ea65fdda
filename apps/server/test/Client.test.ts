import { BulkheadClient, Conflict, ExecutionRefused, NotFound, Unauthorized } from "@bulkhead/api"
import { ExecutionEnded, ExecutionId, ExecutionNotFound, QuotaExceeded } from "@bulkhead/domain"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { completed, executionId } = Stub

const client = (token = TestServer.adminToken) =>
  Effect.flatMap(TestServer.TestServer, ({ url }) =>
    BulkheadClient.make({ url, token: Redacted.make(token) })
  )

const serve = (service: Parameters<typeof Stub.layer>[0] = {}) =>
  Effect.provide([TestServer.layer(Stub.layer(service)), FetchHttpClient.layer])

describe("BulkheadClient", () => {
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
      const kill = (id: string) => Effect.flip(admin.kill({ payload: {}, path: { executionId: id } }))
      assert.instanceOf(yield* kill("exec_1"), Conflict)
      assert.instanceOf(yield* kill("exec_2"), NotFound)
      const stranger = yield* client("wrong")
      const unauthorized = yield* Effect.flip(stranger.admin.metrics({}))
      assert.instanceOf(unauthorized, Unauthorized)
      assert.strictEqual(unauthorized.error.code, "PERMISSION_DENIED")
    }).pipe(
      serve({
        killExecution: (id) =>
          id === executionId
            ? new ExecutionEnded({ executionId })
            : new ExecutionNotFound({ executionId: ExecutionId.make("exec_2") })
      })
    )
  )
})
