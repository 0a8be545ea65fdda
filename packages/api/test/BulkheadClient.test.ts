import { ExecutionId, executionError, rejectedResult } from "@bulkhead/domain"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import * as BulkheadClient from "../src/BulkheadClient.js"

const executionId = ExecutionId.make("exec_1")

const json = { "content-type": "application/json" }

const begun = () => Response.json({ executionId, state: "running" }, { status: 202 })

/** The beginning of an answer, after which the connection is lost. */
const half = () => {
  const pull = (controller: ReadableStreamDefaultController) => controller.error(new Error("ECONNRESET"))
  return new Response(new ReadableStream({ pull }), { status: 202, headers: json })
}

const ofProxy = () => new Response("<h1>Bad Gateway</h1>", { status: 502 })

const refused = () =>
  Response.json(rejectedResult(executionId, executionError("SANDBOX_BUSY", "shutting down")), { status: 503 })

/** Submits to who gives these answers, one after the other; gives what comes of it, and the bodies that were sent. */
const submitTo = Effect.fnUntraced(function* (answers: Array<() => Response>) {
  const sent: Array<string> = []
  const http = HttpClient.make((request) =>
    Effect.sync(() => {
      sent.push(request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "")
      return HttpClientResponse.fromWeb(request, (answers.shift() ?? begun)())
    })
  )
  const client = yield* Effect.provideService(
    BulkheadClient.make({ url: "http://127.0.0.1" }),
    HttpClient.HttpClient,
    http
  )
  const submitted = yield* Effect.fork(Effect.either(client.submit({ code: "x" })))
  yield* TestClock.adjust("10 seconds")
  return { outcome: yield* Fiber.join(submitted), sent }
})

describe("submit", () => {
  it.effect("asks again under the same key for an answer that was lost on its way", () =>
    Effect.gen(function* () {
      const { outcome, sent } = yield* submitTo([half, ofProxy])
      assert.deepInclude(outcome, { right: { executionId, state: "running" } })
      assert.lengthOf(sent, 3)
      assert.strictEqual(new Set(sent).size, 1)
    })
  )

  it.effect("leaves a refusal to its caller", () =>
    Effect.gen(function* () {
      const { outcome, sent } = yield* submitTo([refused])
      assert.deepInclude(outcome, { _tag: "Left" })
      assert.lengthOf(sent, 1)
    })
  )
})
