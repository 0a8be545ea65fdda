import { execFile } from "node:child_process"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as Raw from "./RawConnection.js"
import * as ServerProcess from "./ServerProcess.js"

const urllib = `
import sys, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], b'"' + b"x" * int(sys.argv[2]) + b'"', {"Content-Type": sys.argv[3]})
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
`

/** What Python's urllib reads, which closes the connection after each request. */
const askOfPython = (path: string, bytes: number, kind = "application/json") =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    Effect.async<string>((resume) => {
      const words = ["-c", urllib, `${url}${path}`, String(bytes), kind]
      execFile("python3", words, (error, stdout, stderr) =>
        resume(Effect.succeed(error === null ? stdout : stderr))
      )
    })
  )

const megabytes = 1024 * 1024

describe("an answer before the end of its request", () => {
  layer(ServerProcess.layer(), { timeout: "60 seconds" })((it) => {
    for (const size of [17, 60, 100, 200]) {
      it.effect(`is read by who sends ${size} MB and closes`, () =>
        Effect.map(askOfPython("/api/execute", size * megabytes), (answer) =>
          assert.match(answer, /^413 .*body: expected at most 16777216 bytes/)
        )
      )
    }

    it.effect("is read by who sends 30 MB to what is not there, or of another kind", () =>
      Effect.gen(function* () {
        assert.match(yield* askOfPython("/nowhere", 30 * megabytes), /^404 .*NOT_FOUND/)
        assert.match(yield* askOfPython("/health", 30 * megabytes), /^405 .*expected GET, HEAD/)
        assert.match(yield* askOfPython("/api/execute", 30 * megabytes, "text/plain"), /^415 /)
        assert.match(yield* askOfPython("/api/sandbox/limits", 30 * megabytes), /^405 |^401 /)
      })
    )

    it.scoped("comes at once, though the body never does", () =>
      Effect.gen(function* () {
        const socket = yield* Raw.open
        socket.write(Raw.head({ "Content-Length": 100 * megabytes }))
        assert.match(yield* Raw.heardUntil(socket, "bytes"), /^HTTP\/1.1 413 /)
      })
    )

    it.scoped("spares who asks first from sending the body", () =>
      Effect.gen(function* () {
        const refused = yield* Raw.open
        refused.write(Raw.head({ "Content-Length": 100 * megabytes, Expect: "100-continue" }))
        assert.match(yield* Raw.heardUntil(refused, "bytes"), /^HTTP\/1.1 413 /)
        const body = '{"code":"print(1)"}'
        const taken = yield* Raw.open
        taken.write(Raw.head({ "Content-Length": body.length, Expect: "100-continue" }))
        assert.strictEqual(yield* Raw.heardUntil(taken, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n")
        taken.write(body)
        assert.match(yield* Raw.heardUntil(taken, "}"), /^HTTP\/1.1 200 /)
      })
    )
  })
})

describe("a connection", () => {
  layer(ServerProcess.layer({ SANDBOX_REQUEST_TIMEOUT: "2", SANDBOX_MAX_CONNECTIONS: "20" }), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })((it) => {
    it.scoped(
      "that sends half a body gets 408",
      () =>
        Effect.gen(function* () {
          const socket = yield* Raw.open
          socket.write(`${Raw.head({ "Content-Length": 100 })}{"code`)
          const answer = yield* Raw.heard(socket)
          assert.match(answer, /^HTTP\/1.1 408 Request Timeout\r\n/)
          assert.include(JSON.parse(answer.split("\r\n\r\n")[1] ?? "").error, { code: "INVALID_REQUEST" })
        }),
      { concurrent: true }
    )

    for (const begun of ["GET /health HTTP/1.1\r\nHos", ""])
      it.scoped(
        `that sends ${begun === "" ? "nothing" : "half a head"} gets 408`,
        () =>
          Effect.gen(function* () {
            const socket = yield* Raw.open
            socket.write(begun)
            assert.match(yield* Raw.heard(socket), /^HTTP\/1.1 408 /)
          }),
        { concurrent: true }
      )

    it.scoped("that sends no HTTP, or too many headers, is told so", () =>
      Effect.gen(function* () {
        const garbled = yield* Raw.open
        garbled.write("\0\0\0\r\n\r\n")
        assert.match(yield* Raw.heard(garbled), /^HTTP\/1.1 400 [\s\S]*expected HTTP/)
        const long = yield* Raw.open
        long.write(Raw.head({ "X-Long": "x".repeat(20_000) }))
        assert.match(yield* Raw.heard(long), /^HTTP\/1.1 431 [\s\S]*headers: expected at most 16384 bytes/)
      })
    )

    it.scoped("that brings a request finds room among very many that bring none, or half of one", () =>
      Effect.gen(function* () {
        const { url } = yield* ServerProcess.ServerProcess
        const sockets = yield* Effect.all(
          Array.from({ length: 100 }, () => Raw.open),
          { concurrency: 1 }
        )
        const halves = ["", "GET /health HTTP/1.1\r\n", `${Raw.head({ "Content-Length": 100 })}half`]
        for (const [number, socket] of sockets.entries()) {
          socket.on("error", () => undefined)
          socket.write(halves[number % halves.length] ?? "")
        }
        const answers = yield* Effect.forEach(Array.from({ length: 10 }), () =>
          Effect.promise(() => fetch(`${url}/health`, { headers: { connection: "close" } }))
        )
        assert.deepStrictEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
        assert.isAtLeast(sockets.filter((socket) => socket.readyState === "open").length, 10)
      })
    )

    it.scoped("beyond those that there may be is closed, and the others still run code", () =>
      Effect.gen(function* () {
        const execution = yield* Effect.fork(
          Caller.execute({ code: "import time; time.sleep(1); print(1)", userId: "alice" })
        )
        yield* Caller.inState("alice", "running")
        const sockets = yield* Effect.all(
          Array.from({ length: 60 }, () => Raw.open),
          { concurrency: 60 }
        )
        const closed = Effect.sync(() =>
          sockets.filter((socket) => socket.resume().readableEnded || socket.destroyed)
        )
        yield* Effect.repeat(closed, {
          until: (gone) => gone.length >= 40,
          schedule: Schedule.spaced("20 millis")
        })
        const result = yield* execution.await.pipe(Effect.flatten)
        assert.include(result, { verdict: "Completed", stdout: "1\n" })
        assert.isDefined(result.receipt)
      })
    )
  })
})
