import * as Net from "node:net"
import { assert, it } from "@effect/vitest"
import { Effect, Ref, type Scheduler } from "effect"
import * as Answer from "../src/Http/Answer.js"
import type { HttpRequest } from "../src/Http/HttpRequest.js"
import * as HttpServer from "../src/Http/HttpServer.js"

/** Lets the event loop turn after every few steps of a fiber: of fewer, to yield would be all that it does. */
const turning = (): Scheduler.Scheduler => {
  let steps = 0
  return {
    scheduleTask: (task) => void setImmediate(task),
    shouldYield: () => (++steps % 17 === 0 ? 0 : false)
  }
}

it.scopedLive("an answer in pieces is sent to its end, however much happens between two steps of it", () =>
  Effect.gen(function* () {
    const size = 256 * 1024
    const count = 40
    const sent = yield* Ref.make(0)
    const pieces = Effect.map(
      Ref.updateAndGet(sent, (pieces) => pieces + 1),
      (piece) => ({ bytes: new Uint8Array(size), isLast: piece === count })
    )
    const server = yield* HttpServer.listen("127.0.0.1", 0)
    const handler = () => Effect.succeed(Answer.inPieces(200, {}, pieces))
    yield* Effect.withScheduler(HttpServer.serve(server, [{ method: "GET", path: "/", handler }]), turning())
    const answer = yield* Effect.promise((signal) => fetch(HttpServer.urlOf(server, "127.0.0.1"), { signal }))
    const { byteLength } = yield* Effect.promise(() => answer.arrayBuffer())
    assert.strictEqual(byteLength, size * count)
  })
)

/** All that a server sends on one connection until it closes that; what follows is sent once it has answered. */
const exchange = (port: number, bytes: string, following = "") =>
  Effect.async<string>((resume) => {
    let heard = ""
    const socket = Net.connect(port, "127.0.0.1", () => socket.write(bytes))
    socket.on("data", (more) => {
      heard += more
    })
    socket.once("data", () => socket.write(following))
    socket.on("close", () => resume(Effect.succeed(heard)))
    return Effect.sync(() => void socket.destroy())
  })

it.scopedLive("what is not HTTP is answered with a body that says so", () =>
  Effect.gen(function* () {
    const server = yield* HttpServer.listen("127.0.0.1", 0)
    const handler = (request: HttpRequest) =>
      Effect.match(request.body, {
        onFailure: () => Answer.empty(500),
        onSuccess: () => Answer.json(200, {})
      })
    yield* HttpServer.serve(server, [{ method: "POST", path: "/", handler }])
    const line = "POST / HTTP/1.1\r\nHost: x\r\n"
    for (const [bytes, status, message] of [
      ["nonsense\r\n\r\n", 400, "HTTP/1.1"],
      [
        "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        400,
        "header host must be given"
      ],
      [`${line}Content-Length: two\r\n\r\n`, 400, "HTTP/1.1"],
      [`${line}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, "HTTP/1.1"],
      [`${line}X: ${"x".repeat(1024 * 1024)}\r\n\r\n`, 431, "at most 1048576 bytes"],
      [`${line}Expect: cake\r\nContent-Length: 2\r\n\r\n{}`, 417, "expect must be 100-continue"]
    ] as const) {
      const heard = yield* exchange(HttpServer.portOf(server), bytes)
      const [head = "", body = ""] = heard.split("\r\n\r\n")
      assert.isTrue(head.startsWith(`HTTP/1.1 ${status} `), head)
      assert.include(head.toLowerCase(), "connection: close")
      assert.include(JSON.parse(body), { code: status })
      assert.include(JSON.parse(body).message, message)
    }
    const twice = yield* exchange(
      HttpServer.portOf(server),
      `${line}Content-Length: 2\r\n\r\n{}`,
      "nonsense\r\n\r\n"
    )
    assert.match(twice, /^HTTP\/1.1 200 .*HTTP\/1.1 400 .*"code":400/s)
  })
)

it.scopedLive("who asks for the head of an answer alone does not wait for its pieces", () =>
  Effect.gen(function* () {
    const server = yield* HttpServer.listen("127.0.0.1", 0)
    const asked = yield* Ref.make(0)
    const pieces = Effect.zipRight(
      Ref.update(asked, (pieces) => pieces + 1),
      Effect.succeed({ bytes: new Uint8Array(10), isLast: false })
    )
    const handler = () => Effect.succeed(Answer.inPieces(200, { "content-length": 1e12 }, pieces))
    yield* HttpServer.serve(server, [{ method: "GET", path: "/", handler }])
    const bytes = "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert.match(
      yield* exchange(HttpServer.portOf(server), bytes),
      /^HTTP\/1.1 200 .*1000000000000.*\r\n\r\n$/s
    )
    assert.strictEqual(yield* Ref.get(asked), 0)
  })
)

it.scopedLive("long headers and requests that take their time are heard to their end", () =>
  Effect.gen(function* () {
    const server = yield* HttpServer.listen("127.0.0.1", 0)
    const handler = (request: HttpRequest) => Effect.succeed(Answer.json(200, request.header("x").length))
    yield* HttpServer.serve(server, [{ method: "GET", path: "/", handler }])
    const length = 1000 * 1000
    const bytes = `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ${"x".repeat(length)}\r\n\r\n`
    assert.match(
      yield* exchange(HttpServer.portOf(server), bytes),
      new RegExp(`^HTTP/1.1 200 .*${length}$`, "s")
    )
    // Node counts to it in minutes, from the first byte of a request to the last of its body.
    assert.strictEqual(server.requestTimeout, 0)
  })
)
