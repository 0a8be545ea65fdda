import type { RequestListener } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { boundedServer } from "../src/ConnectionBounds.js"

const listening = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = boundedServer({ connections: 10, requestTimeout: 10 }).on("request", listener)
      const close = () => {
        server.closeAllConnections()
        server.close()
      }
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({ port: (server.address() as AddressInfo).port, close }))
      )
    }),
    ({ close }) => Effect.sync(close)
  )

/** Says this on one connection, and gives all that comes until it is over. */
const say = (port: number, text: string) =>
  Effect.async<string>((resume) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(text))
    let said = ""
    socket.on("data", (bytes) => {
      said += bytes.toString()
    })
    socket.on("error", () => undefined)
    socket.on("close", () => resume(Effect.succeed(said)))
    return Effect.sync(() => socket.destroy())
  })

const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe("requests that Node refuses by itself", () => {
  for (const [what, sent, status, message] of [
    ["without a host", "GET / HTTP/1.1\r\n\r\n", 400, "host: is missing"],
    [
      "with an expectation that is none of HTTP's",
      "GET / HTTP/1.1\r\nHost: x\r\nExpect: y\r\n\r\n",
      417,
      "expect: expected 100-continue"
    ]
  ] as const)
    it.scopedLive(`are told why: ${what}`, () =>
      Effect.gen(function* () {
        const { port } = yield* listening((_, response) => response.end("ok"))
        const [head, body = ""] = (yield* say(port, sent)).split("\r\n\r\n")
        assert.include(head, `HTTP/1.1 ${status} `)
        assert.deepInclude(JSON.parse(body), { success: false })
        assert.include(JSON.parse(body).error, { code: "INVALID_REQUEST", message })
      })
    )

  it.scopedLive("are none of version 1.0, which knows no hosts", () =>
    Effect.gen(function* () {
      const { port } = yield* listening((_, response) => response.end("ok"))
      assert.match(yield* say(port, "GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1.1 200 .*ok$/s)
    })
  )
})

describe("requests that come at once on one connection", () => {
  it.scopedLive("are a flood where they are very many, which ends with the connection", () =>
    Effect.gen(function* () {
      let heard = 0
      const { port } = yield* listening(() => {
        heard++
      })
      assert.strictEqual(yield* say(port, request.repeat(1000)), "")
      assert.strictEqual(heard, 32)
    })
  )

  it.scopedLive("are answered where they are few, and more once there is an answer", () =>
    Effect.gen(function* () {
      const { port } = yield* listening((_, response) => response.end("ok"))
      const last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
      const said = yield* say(port, request.repeat(31) + last)
      assert.strictEqual(said.split("HTTP/1.1 200").length - 1, 32)
    })
  )

  it.scopedLive("are all over when the connection is, also those that wait behind another one's answer", () =>
    Effect.gen(function* () {
      const over = yield* Deferred.make<void>()
      let begun = 0
      let open = 0
      const { port } = yield* listening(({ socket }, response) => {
        begun++
        open++
        response.on("close", () => {
          open--
          if (open === 0) Deferred.unsafeDone(over, Effect.void)
        })
        response.write("the first of many pieces")
        if (begun === 3) socket.destroy()
      })
      yield* say(port, request.repeat(3))
      yield* Deferred.await(over)
      assert.strictEqual(begun, 3)
    })
  )
})
