import { ArtifactStore } from "@bulkhead/artifacts"
import { TestSandboxService } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as McpStdio from "../src/stdio/McpStdio.js"

/** What is answered to these messages, in the order in which it comes. */
const answersTo = (messages: ReadonlyArray<object>) =>
  Effect.gen(function* () {
    // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came.
    const answers: Array<any> = []
    const lines = Stream.fromIterable(messages.map((message) => `${JSON.stringify(message)}\n`))
    yield* McpStdio.serve({
      input: Stream.encodeText(lines),
      send: (line) => Effect.sync(() => void answers.push(JSON.parse(line)))
    })
    return answers
  }).pipe(Effect.provide(Layer.merge(TestSandboxService.layer(), ArtifactStore.layerMemory)))

describe("MCP over stdio", () => {
  it.effect("goes on after a message that is too large", () =>
    Effect.gen(function* () {
      const initialize = { method: "initialize", params: { protocolVersion: "2025-06-18" } }
      const [introduced, refused, again] = yield* answersTo([
        { jsonrpc: "2.0", id: 1, ...initialize },
        { jsonrpc: "2.0", id: 2, method: "ping", params: { text: "x".repeat(17 * 1024 * 1024) } },
        { jsonrpc: "2.0", id: 3, ...initialize }
      ])
      assert.strictEqual(introduced.result.protocolVersion, "2025-06-18")
      assert.strictEqual(refused.id, 2)
      assert.match(refused.error.message, /^message: expected at most \d+ characters$/)
      assert.strictEqual(again.id, 3)
    })
  )
})
