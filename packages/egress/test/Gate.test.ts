import * as Net from "node:net"
import { parseTarget } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Either, Fiber, TestClock } from "effect"
import * as Gate from "../src/Gate.js"
import { NameResolver } from "../src/NameResolver.js"

const loopback = Either.getOrThrow(parseTarget("127.0.0.1"))

const listening = (server: Net.Server) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
    }),
    () => Effect.sync(() => server.close())
  )

/** A gate to a server that keeps what it hears, and answers each connection once. */
const world = (
  addresses: Effect.Effect<ReadonlyArray<string>> = Effect.succeed(["127.0.0.1"]),
  statusLine = "HTTP/1.1 200 OK"
) =>
  Effect.gen(function* () {
    const heard: Array<string> = []
    const port = yield* listening(
      Net.createServer((socket) => {
        socket.on("error", () => socket.destroy())
        socket.on("data", (bytes) => heard.push(bytes.toString("latin1")))
        socket.once("data", () =>
          setImmediate(() => socket.write(`${statusLine}\r\nContent-Length: 2\r\n\r\nok`))
        )
      })
    )
    const gate = yield* Gate.make({
      policy: { mode: "open", allow: [], deny: [] },
      surroundings: { private: [loopback], ownPorts: [] },
      limits: { maxConnections: 64, maxAttempts: 1000, maxBytes: 1e9, bytesPerSecond: 0 }
    }).pipe(Effect.provideService(NameResolver, { addressesOf: () => addresses }))
    const gatePort = yield* listening(Net.createServer({ allowHalfOpen: true }, gate.serve))
    return { authority: `good.example:${port}`, gate, gatePort, heard }
  })

/** Says this, and gives all that comes until the connection is over. */
const say = (port: number, text: string) =>
  Effect.async<string>((resume) => {
    const socket = Net.connect({ port, host: "127.0.0.1" }, () => socket.write(text))
    let said = ""
    socket.on("data", (bytes) => {
      said += bytes.toString("latin1")
    })
    socket.on("error", () => undefined)
    socket.on("close", () => resume(Effect.succeed(said)))
    return Effect.sync(() => socket.destroy())
  })

const aMoment = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** Has the time go by until something that waits for real connections too is done. */
const overTime = <A>(work: Effect.Effect<A>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(work)
    yield* Effect.forever(Effect.zipRight(aMoment, TestClock.adjust("1 second"))).pipe(
      Effect.raceFirst(Fiber.await(fiber))
    )
    return yield* Fiber.join(fiber)
  })

describe("Gate", () => {
  for (const method of ["GET", "HEAD", "DELETE", "OPTIONS"])
    it.scopedLive(`keeps the length of a body that a ${method} names as the connection's own`, () =>
      Effect.gen(function* () {
        const { authority, gatePort, heard } = yield* world()
        const inner = "GET /hidden HTTP/1.1\r\nHost: other.example\r\n\r\n"
        yield* say(
          gatePort,
          `${method} http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close, content-length\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`
        )
        const head = heard.join("").split("\r\n\r\n")[0]?.toLowerCase()
        assert.include(head, `content-length: ${inner.length}`)
      })
    )

  it.scopedLive("says at once that an answer cannot be passed on", () =>
    Effect.gen(function* () {
      const { authority, gatePort } = yield* world(undefined, "HTTP/1.1 200 a\x01b")
      const said = yield* say(gatePort, `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
      assert.match(said, /^HTTP\/1\.1 502 the server gave no answer of HTTP\r\n/)
    })
  )

  const slow: ReadonlyArray<readonly [what: string, said: (authority: string) => string]> = [
    ["a request", (authority) => `GET http://${authority}/ HTTP/1.1\r\nHost: `],
    [
      "a request after another one",
      (authority) => `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\nGET http://`
    ],
    ["a ClientHello", (authority) => `CONNECT ${authority} HTTP/1.1\r\n\r\n\x16\x03\x01`],
    ["SOCKS", () => "\x05"]
  ]
  for (const [what, said] of slow)
    it.scoped(`does not wait for the rest of ${what} for longer than half a minute`, () =>
      Effect.gen(function* () {
        const { authority, gatePort } = yield* world()
        const before = yield* Clock.currentTimeMillis
        yield* overTime(say(gatePort, said(authority)))
        assert.isAtLeast((yield* Clock.currentTimeMillis) - before, 30_000)
      })
    )

  const ofSlowName = "GET http://slow.example/ HTTP/1.1\r\nHost: slow.example\r\n\r\n"

  it.scopedLive("cuts a connection that has more requests under way than any client", () =>
    Effect.gen(function* () {
      const { gate, gatePort } = yield* world(Effect.never)
      assert.strictEqual(yield* say(gatePort, ofSlowName.repeat(100)), "")
      assert.strictEqual((yield* gate.use).connections, 0)
    })
  )

  it.scopedLive(
    "does nothing more for a program that is gone, also of what waits behind another answer",
    () =>
      Effect.gen(function* () {
        const [begun, over] = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
        let now = 0
        const lookUp = Effect.acquireUseRelease(
          Effect.suspend(() => (++now === 3 ? Deferred.succeed(begun, undefined) : Effect.void)),
          () => Effect.never,
          () => Effect.suspend(() => (--now === 0 ? Deferred.succeed(over, undefined) : Effect.void))
        )
        const { gatePort } = yield* world(lookUp)
        const program = yield* Effect.fork(say(gatePort, ofSlowName.repeat(3)))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(program)
        yield* Deferred.await(over)
      })
  )

  it.scopedLive("looks few names up at once, however many are asked for", () =>
    Effect.gen(function* () {
      let [now, most] = [0, 0]
      const lookUp = Effect.acquireUseRelease(
        Effect.sync(() => {
          most = Math.max(most, ++now)
        }),
        () => Effect.as(Effect.repeatN(aMoment, 9), []),
        () =>
          Effect.sync(() => {
            now--
          })
      )
      const { gatePort } = yield* world(lookUp)
      const last = ofSlowName.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
      const asking = Effect.replicate(say(gatePort, ofSlowName.repeat(9) + last), 4)
      const said = yield* Effect.all(asking, { concurrency: "unbounded" })
      assert.isTrue(said.every((each) => each.startsWith("HTTP/1.1 502 slow.example has no address")))
      assert.strictEqual(most, 16)
    })
  )

  it.scoped("does not wait for a name's addresses without end", () =>
    Effect.gen(function* () {
      const { authority, gate, gatePort } = yield* world(Effect.never)
      const said = yield* overTime(say(gatePort, `CONNECT ${authority} HTTP/1.1\r\n\r\n`))
      assert.match(said, /^HTTP\/1\.1 502 good\.example has no address/)
      assert.strictEqual((yield* gate.attempts.from(0))[0]?.reason, "no_such_name")
    })
  )

  it.scopedLive("judges a few addresses of a name that has thousands", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 5000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`)
      const { authority, gatePort } = yield* world(Effect.succeed([...many, "127.0.0.1"]))
      const said = yield* say(gatePort, `CONNECT ${authority} HTTP/1.1\r\n\r\n`)
      assert.match(said, /^HTTP\/1\.1 403 network policy: good\.example is refused: it is an address inside/)
    })
  )
})
