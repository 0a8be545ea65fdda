import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import * as ExecutionStream from "../src/ExecutionStream.js"
import * as ServerSentEvents from "../src/ServerSentEvents.js"

const event = (update: { readonly type: string; readonly id: string }) =>
  ServerSentEvents.encode({ event: update.type, id: update.id, data: JSON.stringify(update) })

/** A server that tells of this. */
const telling = (updates: ReadonlyArray<{ readonly type: string; readonly id: string }>) =>
  HttpClient.make((request) =>
    Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(updates.map(event).join(""))))
  ).pipe(HttpClient.mapRequest(HttpClientRequest.prependUrl("http://127.0.0.1")))

describe("follow", () => {
  it.effect("passes over what only a later version knows", () =>
    Effect.gen(function* () {
      const started = { type: "started", id: "0-1-0-0-0-0", executionId: "exec_1" }
      const ended = { type: "ended", id: "end" }
      const server = telling([started, { type: "paused", id: "0-1-0-0-0-0" }, ended])
      const updates = yield* Stream.runCollect(ExecutionStream.follow(server, "exec_1"))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(updates).map(({ type }) => type),
        ["started", "ended"]
      )
    })
  )

  it.effect("asks no second time where there is no server to ask", () =>
    Effect.gen(function* () {
      const nowhere = HttpClient.mapRequest(telling([]), HttpClientRequest.setUrl("nowhere"))
      const failure = yield* Effect.flip(Stream.runDrain(ExecutionStream.follow(nowhere, "exec_1")))
      assert.deepInclude(failure, { _tag: "RequestError", reason: "InvalidUrl" })
    })
  )
})
