import { createServer } from "node:http"
import { HttpServer } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as ServerUnderTest from "../src/ServerUnderTest.js"

/** One connection, as who measures over one that is kept. */
const kept = Layer.provide(
  NodeHttpClient.layerWithoutAgent,
  NodeHttpClient.makeAgentLayer({ keepAlive: true, maxSockets: 1 })
)

describe("The server under test", () => {
  it.scopedLive("is asked for its health again and again over one connection", () =>
    Effect.gen(function* () {
      let connections = 0
      const node = createServer((_, response) => response.end('{"status":"ok"}'))
      node.on("connection", () => connections++)
      const { address } = yield* NodeHttpServer.make(() => node, { host: "127.0.0.1", port: 0 })
      const server = { url: HttpServer.formatAddress(address), pid: process.pid }
      yield* ServerUnderTest.health(server)
      yield* ServerUnderTest.health(server)
      assert.strictEqual(connections, 1)
    }).pipe(Effect.provide(kept))
  )
})
