import { Duplex } from "node:stream"
import * as Tls from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Option } from "effect"
import * as ClientHello from "../src/ClientHello.js"
import * as Opening from "../src/Opening.js"

/** What node's own TLS says first. */
const helloOf = (servername: string | undefined) =>
  Effect.async<Buffer>((resume) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (bytes: Buffer, _encoding, done) => {
        resume(Effect.succeed(Buffer.from(bytes)))
        done()
      }
    })
    const socket = Tls.connect({ socket: wire, ...(servername !== undefined && { servername }) })
    socket.on("error", () => undefined)
    return Effect.sync(() => socket.destroy())
  })

const whole = (name: string | undefined) =>
  ClientHello.ClientHello.Whole({ serverName: Option.fromNullable(name) })

/** The same message in records of this size. */
const inRecords = (hello: Buffer, size: number) => {
  const message = hello.subarray(5)
  const pieces = Array.from({ length: Math.ceil(message.length / size) }, (_, index) =>
    message.subarray(index * size, (index + 1) * size)
  )
  return Buffer.concat(
    pieces.flatMap((piece) => [Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece])
  )
}

describe("ClientHello", () => {
  it.effect("finds the name, or that there is none, however the message is cut into records", () =>
    Effect.gen(function* () {
      for (const name of ["a.example", undefined]) {
        const hello = yield* helloOf(name)
        for (const size of [4, 5, 100, 16_384])
          assert.deepStrictEqual(ClientHello.parse(inRecords(hello, size)), whole(name))
      }
    })
  )

  it("is not kept busy by records of one byte", () => {
    const start = Buffer.from([1, 0, 100, 0])
    const records = inRecords(Buffer.concat([Buffer.alloc(5), start, Buffer.alloc(600)]), 1)
    assert.strictEqual(ClientHello.parse(records)._tag, "Malformed")
  })

  it.effect("waits for all of it, and is never surprised by what comes", () =>
    Effect.gen(function* () {
      const hello = yield* helloOf("a.example")
      for (let length = 0; length < hello.length; length++)
        assert.strictEqual(ClientHello.parse(hello.subarray(0, length))._tag, "Partial")
      fc.assert(
        fc.property(fc.nat(hello.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
          const changed = Buffer.from(hello)
          changed[at] = (changed[at] ?? 0) ^ change
          const found = ClientHello.parse(changed)
          if (found._tag !== "Whole" || Option.isNone(found.serverName)) return
          // A name that is found stands in what came.
          assert.include(changed.toString("latin1").toLowerCase(), found.serverName.value)
        }),
        { numRuns: 500 }
      )
      fc.assert(fc.property(fc.uint8Array(), (bytes) => void ClientHello.parse(Buffer.from([22, ...bytes]))))
    })
  )

  it.effect("refuses two names, two lists, a dot at the end and anything behind the message", () =>
    Effect.gen(function* () {
      const hello = yield* helloOf("a.example")
      const at = hello.indexOf("a.example")
      const dotted = Buffer.from(hello)
      dotted.write("a.exampl.", at, "latin1")
      assert.strictEqual(ClientHello.parse(dotted)._tag, "Malformed")
      const message = hello.subarray(5)
      const both = Buffer.concat([message, message])
      const record = Buffer.concat([Buffer.from([22, 3, 1, both.length >> 8, both.length & 255]), both])
      assert.strictEqual(ClientHello.parse(record)._tag, "Malformed")
      // The extension's type, so that it comes twice: supported_groups becomes server_name.
      const twice = Buffer.from(hello)
      const groups = twice.indexOf(Buffer.from([0, 10, 0]), at)
      twice[groups + 1] = 0
      assert.strictEqual(ClientHello.parse(twice)._tag, "Malformed")
    })
  )
})

describe("Opening", () => {
  const tagOf = (text: string, isWhole = false) => Opening.classify(Buffer.from(text, "latin1"), isWhole)._tag

  it("knows HTTP in whatever way it begins", () => {
    for (const text of [
      ...["GET / HTTP/1.1\r\n", "\r\n\r\n GET / HTTP/1.1\n", "get / http/1.0\r\n", "PRI * HTTP/2.0\r\n"],
      ...["GET /\xff\x00 HTTP/1.1\r\n", "G\tET / HTTP/1.1\r\n", "CONNECT a:1 HTTP/1.1\n"]
    ])
      assert.strictEqual(tagOf(text), "Http", text)
  })

  it("waits until a line of text is whole", () => {
    for (const text of ["", "G", "GET / HT", "\r\n", "GET / HTTP/1.1"])
      assert.strictEqual(tagOf(text), "Partial", text)
    assert.strictEqual(tagOf("GET / HTTP/1.1", true), "Http")
    assert.strictEqual(tagOf("a".repeat(20_000)), "Malformed")
  })

  it("leaves other protocols be", () => {
    for (const text of ["EHLO a.example\r\n", "SSH-2.0-x\r\n", "\0\0\0\x08", "USER a\r\n"])
      assert.strictEqual(tagOf(text), "Other", text)
  })
})
