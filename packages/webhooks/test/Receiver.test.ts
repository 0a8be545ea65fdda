import http from "node:http"
import net, { type AddressInfo, type Socket } from "node:net"
import { parseNetwork } from "@bulkhead/domain"
import { NameResolver, NameUnknown } from "@bulkhead/egress"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Deferred, Effect, Fiber, Layer, Option, type Scope } from "effect"
import { Receiver } from "../src/index.js"
import { layer as receiverLayer } from "../src/Receiver.js"

const loopback = [Option.getOrThrow(parseNetwork("127.0.0.0/8"))]

/** A server on loopback that does with each connection what it likes. Gives its port. */
const server = (onConnection: (socket: Socket) => void): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<{ listening: net.Server; sockets: Set<Socket> }>((resume) => {
      const sockets = new Set<Socket>()
      const listening = net.createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => undefined)
        onConnection(socket)
      })
      listening.listen(0, "127.0.0.1", () => resume(Effect.succeed({ listening, sockets })))
    }),
    ({ listening, sockets }) =>
      Effect.async<void>((resume) => {
        listening.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  ).pipe(Effect.map(({ listening }) => (listening.address() as AddressInfo).port))

/** Says so as soon as it is spoken to. */
const answering = (words: string) => server((socket) => socket.once("data", () => socket.end(words)))

const names = (addressesOf: Context.Tag.Service<NameResolver>["addressesOf"]) =>
  Layer.succeed(NameResolver, { addressesOf })

const noNames = names(() => new NameUnknown())

const post = (url: string, networks = loopback, resolver = noNames) =>
  Effect.flatMap(Receiver, (receiver) =>
    receiver.post({ url, headers: { "x-test": "1" }, body: '{"a":"ü"}' })
  ).pipe(Effect.provide(Layer.provide(receiverLayer({ networks }), resolver)))

const at = (port: number) => `http://127.0.0.1:${port}/hook?a=b`

const why = (url: string, networks = loopback, resolver = noNames) =>
  Effect.map(Effect.flip(post(url, networks, resolver)), ({ message }) => message)

describe("Receiver", () => {
  it.scopedLive("gets the message whole, and its status is what counts", () =>
    Effect.gen(function* () {
      const got = yield* Deferred.make<{ body: string; request: http.IncomingMessage }>()
      const listening = http.createServer((request, response) => {
        const pieces: Array<Buffer> = []
        request.on("data", (piece: Buffer) => pieces.push(piece))
        request.on("end", () => {
          const body = Buffer.concat(pieces).toString()
          Deferred.unsafeDone(got, Effect.succeed({ body, request }))
          response.writeHead(204).end()
        })
      })
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void listening.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.async<void>((resume) => void listening.close(() => resume(Effect.void)))
      )
      const { port } = listening.address() as AddressInfo
      assert.strictEqual(yield* post(at(port)), 204)
      const { body, request } = yield* Deferred.await(got)
      assert.strictEqual(body, '{"a":"ü"}')
      assert.strictEqual(request.url, "/hook?a=b")
      assert.strictEqual(request.method, "POST")
      assert.strictEqual(request.headers["x-test"], "1")
      assert.strictEqual(request.headers["content-length"], "10")
      assert.strictEqual(request.headers.host, `127.0.0.1:${port}`)
    })
  )

  it.scopedLive("that redirects is not followed", () =>
    Effect.gen(function* () {
      let followed = 0
      const elsewhere = yield* server((socket) => {
        followed++
        socket.end("HTTP/1.1 200 OK\r\n\r\n")
      })
      const port = yield* answering(
        `HTTP/1.1 307 X\r\nLocation: ${at(elsewhere)}\r\nContent-Length: 0\r\n\r\n`
      )
      assert.strictEqual(yield* post(at(port)), 307)
      assert.strictEqual(followed, 0)
    })
  )

  it.scopedLive("that vanishes is a failure in a few words", () =>
    Effect.gen(function* () {
      const hangsUp = yield* server((socket) => socket.once("data", () => socket.destroy()))
      assert.match(yield* why(at(hangsUp)), /^the connection (failed: ECONNRESET|was closed)/)
      const saysNothing = yield* server((socket) => socket.once("data", () => socket.end()))
      assert.match(yield* why(at(saysNothing)), /^the connection (failed: ECONNRESET|was closed)/)
      const gone = yield* Effect.scoped(answering(""))
      assert.strictEqual(yield* why(at(gone)), "the connection failed: ECONNREFUSED")
    })
  )

  it.scopedLive("that lies, or speaks something else, is a failure or its status, and holds nothing up", () =>
    Effect.gen(function* () {
      const endless = yield* server((socket) =>
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
          const piece = `10000\r\n${"x".repeat(65_536)}\r\n`
          const more = () => {
            while (!socket.destroyed && socket.write(piece));
          }
          socket.on("drain", more)
          more()
        })
      )
      assert.strictEqual(yield* post(at(endless)), 200)
      const short = yield* answering("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx")
      assert.strictEqual(yield* post(at(short)), 200)
      const dribbling = yield* server((socket) =>
        socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"))
      )
      assert.strictEqual(yield* post(at(dribbling)), 200)
      const wrongLength = yield* answering("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n")
      assert.match(yield* why(at(wrongLength)), /^the connection failed: HPE_/)
      const twoLengths = yield* answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"
      )
      assert.match(yield* why(at(twoLengths)), /^the connection failed: HPE_/)
      const headers = yield* server((socket) =>
        socket.once("data", () => socket.write(`HTTP/1.1 200 OK\r\nA: ${"x".repeat(100_000)}\r\n\r\n`))
      )
      assert.strictEqual(yield* why(at(headers)), "the connection failed: HPE_HEADER_OVERFLOW")
      const mail = yield* server((socket) => socket.write("220 mail.example.com ESMTP\r\n"))
      assert.match(yield* why(at(mail)), /^the connection failed: HPE_/)
      const upgrade = yield* answering("HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
      assert.match(yield* why(at(upgrade)), /^the connection/)
    })
  )

  it.scopedLive("that stalls is hung up on when nobody waits for it any more", () =>
    Effect.gen(function* () {
      const spokenTo = yield* Deferred.make<void>()
      const leftAlone = yield* Deferred.make<void>()
      const port = yield* server((socket) => {
        socket.once("data", () => Deferred.unsafeDone(spokenTo, Effect.void))
        socket.once("close", () => Deferred.unsafeDone(leftAlone, Effect.void))
      })
      const waiting = yield* Effect.fork(post(at(port)))
      yield* Deferred.await(spokenTo)
      yield* Fiber.interrupt(waiting)
      yield* Deferred.await(leftAlone)
    })
  )

  it.scopedLive("inside is never connected to, by no name and no number", () =>
    Effect.gen(function* () {
      let connections = 0
      const port = yield* server((socket) => {
        connections++
        socket.end("HTTP/1.1 200 OK\r\n\r\n")
      })
      const inside = names(() => Effect.succeed(["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254"]))
      for (const host of ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0"])
        assert.match(yield* why(`http://${host}:${port}/`, [], inside), /public address/)
      const name = `http://inside.example.com:${port}/`
      assert.strictEqual(yield* why(name, [], inside), "its name stands for an address inside")
      assert.strictEqual(yield* why(name, [], noNames), "its name is unknown")
      assert.strictEqual(connections, 0)
      assert.strictEqual(yield* post(name, loopback, inside), 200)
      assert.strictEqual(connections, 1)
    })
  )

  it.scopedLive("is judged by the addresses that are connected to, though its name changes them", () =>
    Effect.gen(function* () {
      let connections = 0
      const port = yield* server((socket) => {
        connections++
        socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\n"))
      })
      // 127.0.0.1 stands for a public address here, and 127.0.0.2 for one inside.
      const one = [Option.getOrThrow(parseNetwork("127.0.0.1"))]
      let lookups = 0
      const rebinding = names(() => Effect.sync(() => (lookups++ === 0 ? ["127.0.0.1"] : ["127.0.0.2"])))
      const url = `http://rebinding.example.com:${port}/`
      assert.strictEqual(yield* post(url, one, rebinding), 200)
      assert.deepStrictEqual([lookups, connections], [1, 1])
      assert.strictEqual(yield* why(url, one, rebinding), "its name stands for an address inside")
      assert.deepStrictEqual([lookups, connections], [2, 1])
    })
  )
})
