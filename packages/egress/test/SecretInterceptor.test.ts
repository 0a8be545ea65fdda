import { createServer as createHttps } from "node:https"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { text } from "node:stream/consumers"
import { connect as connectTls } from "node:tls"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { describe, expect, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Ref, Runtime } from "effect"
import * as CertificateAuthority from "../src/Interception/CertificateAuthority.js"
import type { HostSecret } from "../src/Interception/HostSecret.js"
import * as SecretInterceptor from "../src/Interception/SecretInterceptor.js"

const value = "sk-live/Tr0ub4dor+3=&\"x'"
const placeholder = "bulkhead_secret_0123456789abcdef0123456789abcdef"
const name = "api.test"

const plainSecret: HostSecret = { name: "KEY", placeholder, value: Redacted.make(value) }

/** What the host has heard, and how it answers. */
type Answer = (heard: Heard) => {
  readonly status?: number
  readonly message?: string
  readonly headers?: Record<string, string>
  readonly pieces?: ReadonlyArray<Uint8Array | string>
  readonly trailers?: Record<string, string>
}
interface Heard {
  readonly method: string
  readonly url: string
  readonly headers: ReadonlyArray<string>
  readonly body: string
}

interface World {
  /** Sends raw bytes over the connection, and gives all that comes back until it ends. */
  readonly ask: (
    request: string,
    options?: {
      servername?: string
      answer?: Answer
      secrets?: ReadonlyArray<HostSecret>
      trusted?: ReadonlyArray<string>
    }
  ) => Effect.Effect<{
    readonly said: string
    readonly heard: ReadonlyArray<Heard>
    readonly used: ReadonlyArray<string>
  }>
}
class TheWorld extends Context.Tag("TheWorld")<TheWorld, World>() {}

const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () => Effect.sync(() => server.close())
  )

const world = Layer.scoped(
  TheWorld,
  Effect.gen(function* () {
    const roots = yield* CertificateAuthority.make
    const authority = yield* CertificateAuthority.make
    const context = yield* roots.contextFor(name)
    const runtime = yield* Effect.runtime<never>()

    const ask: World["ask"] = (request, options = {}) =>
      Effect.scoped(
        Effect.gen(function* () {
          const heard: Array<Heard> = []
          const host = createHttps(
            { SNICallback: (_, done) => done(null, context) },
            async (got, response) => {
              const { method = "", url = "", rawHeaders } = got
              const one = { method, url, headers: rawHeaders, body: await text(got) }
              heard.push(one)
              const {
                headers = {},
                message = "OK",
                pieces = [],
                status = 200,
                trailers
              } = options.answer?.(one) ?? {}
              response.writeHead(status, message, headers)
              for (const piece of pieces) {
                response.write(piece)
                await new Promise(setImmediate)
              }
              if (trailers) response.addTrailers(trailers)
              response.end()
            }
          )
          const port = yield* listening(host)
          const used = yield* Ref.make<ReadonlyArray<string>>([])
          const intercept = SecretInterceptor.make({
            name,
            port: 443,
            secrets: options.secrets ?? [plainSecret],
            authority,
            trust: SecretInterceptor.trusting(options.trusted ?? [roots.certificate]),
            onUse: (secret) => Ref.update(used, (before) => [...before, secret])
          })
          const dial = Effect.acquireRelease(
            Effect.async<Socket>((resume) => {
              const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
            }),
            (socket) => Effect.sync(() => socket.destroy())
          )
          const gate = createServer((client) => {
            Runtime.runFork(runtime)(Effect.scoped(intercept({ client, dial })))
          })
          const gatePort = yield* listening(gate)
          const said = yield* Effect.async<string>((resume) => {
            const socket = connectTls(
              {
                port: gatePort,
                host: "127.0.0.1",
                servername: options.servername ?? name,
                ca: authority.certificate
              },
              () => {
                socket.write(request)
              }
            )
            let all = ""
            socket.setEncoding("latin1")
            socket.on("data", (some) => {
              all += some
            })
            socket.on("error", (error) => resume(Effect.succeed(`error ${error.message}`)))
            socket.on("close", () => resume(Effect.succeed(all)))
          })
          return { said, heard, used: yield* Ref.get(used) }
        })
      )
    return { ask }
  })
)

const get = (headers: string, path = "/", host = name) =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}Connection: close\r\n\r\n`
const hide = (text: string) => text.includes(value)

layer(world, { excludeTestServices: true })("SecretInterceptor", (it) => {
  const asking = (...asked: Parameters<World["ask"]>) => Effect.flatMap(TheWorld, ({ ask }) => ask(...asked))

  describe("what goes to the host", () => {
    it.effect("puts the value in the place of the placeholder in a header", () =>
      Effect.gen(function* () {
        const { heard, said, used } = yield* asking(get(`Authorization: Bearer ${placeholder}\r\n`))
        expect(heard[0]?.headers).toContain(`Bearer ${value}`)
        expect(said).toMatch(/^HTTP\/1.1 200/)
        expect(used).toEqual(["KEY"])
      })
    )
    it.effect("finds it within Basic credentials", () =>
      Effect.gen(function* () {
        const credentials = Buffer.from(`me:${placeholder}`).toString("base64")
        const { heard } = yield* asking(get(`Authorization: Basic ${credentials}\r\n`))
        expect(heard[0]?.headers).toContain(`Basic ${Buffer.from(`me:${value}`).toString("base64")}`)
      })
    )
    it.effect("leaves a placeholder in the URL and in the body as it is", () =>
      Effect.gen(function* () {
        const { heard, used } = yield* asking(
          `POST /${placeholder} HTTP/1.1\r\nHost: ${name}\r\nContent-Length: ${placeholder.length}\r\nConnection: close\r\n\r\n${placeholder}`
        )
        expect(heard[0]).toMatchObject({ url: `/${placeholder}`, body: placeholder })
        expect(used).toEqual([])
      })
    )
    it.effect("sets a header by itself where the secret names one, and replaces nothing else", () =>
      Effect.gen(function* () {
        const secret = { ...plainSecret, header: { name: "X-Key", form: "k {}" } }
        const { heard } = yield* asking(get(`x-key: mine\r\nX-Other: ${placeholder}\r\n`), {
          secrets: [secret]
        })
        expect(heard[0]?.headers).toContain(`k ${value}`)
        expect(heard[0]?.headers).toContain(placeholder)
        expect(heard[0]?.headers).not.toContain("mine")
      })
    )
    it.effect("sets a short header, and does not look for it in the answer", () =>
      Effect.gen(function* () {
        const version = {
          ...plainSecret,
          value: Redacted.make("1"),
          header: { name: "X-Version", form: "{}" }
        }
        const { heard, said } = yield* asking(get(""), {
          secrets: [version],
          answer: () => ({ headers: { "Content-Length": "11" }, pieces: ["1 and 1 = 2"] })
        })
        expect(heard[0]?.headers).toContain("X-Version")
        expect(said).toContain("Content-Length: 11\r\n")
        expect(said).toContain("1 and 1 = 2")
      })
    )
    it.effect("keeps to itself what is of the connection, and asks for the whole answer as it is", () =>
      Effect.gen(function* () {
        const { heard } = yield* asking(
          get(
            "TE: trailers\r\nX-Hop: 1\r\nRange: bytes=0-3\r\nAccept-Encoding: zstd\r\nProxy-Authorization: x\r\n"
          ).replace("Connection: close", "Connection: close, X-Hop, Authorization")
        )
        const names = heard[0]?.headers.filter((_, at) => at % 2 === 0).map((header) => header.toLowerCase())
        expect(names?.sort()).toEqual(["accept-encoding", "connection", "host"])
        expect(heard[0]?.headers).toContain("identity")
      })
    )
    it.effect("carries a body that comes in chunks", () =>
      Effect.gen(function* () {
        const { heard } = yield* asking(
          `POST / HTTP/1.1\r\nHost: ${name}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`
        )
        expect(heard[0]?.body).toBe("abcde")
      })
    )
  })

  describe("what is refused", () => {
    const refused: ReadonlyArray<readonly [string, string]> = [
      ["another Host", get(`A: ${placeholder}\r\n`, "/", "evil.test")],
      ["another port in Host", get(`A: ${placeholder}\r\n`, "/", `${name}:8443`)],
      ["two Hosts", get(`Host: evil.test\r\nA: ${placeholder}\r\n`)],
      ["no Host", `GET / HTTP/1.1\r\nA: ${placeholder}\r\n\r\n`],
      ["an absolute target", get(`A: ${placeholder}\r\n`, "https://evil.test/")],
      [
        "an upgrade",
        get(`A: ${placeholder}\r\nUpgrade: websocket\r\n`).replace("Connection: close", "Connection: upgrade")
      ],
      ["two lengths", get(`A: ${placeholder}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n`)],
      ["a folded header", get(`A: x\r\n ${placeholder}\r\nB : y\r\n`)],
      ["a CONNECT", `CONNECT evil.test:443 HTTP/1.1\r\nHost: ${name}\r\nA: ${placeholder}\r\n\r\n`]
    ]
    for (const [what, request] of refused)
      it.effect(what, () =>
        Effect.gen(function* () {
          const { heard, used } = yield* asking(request)
          expect(heard).toEqual([])
          expect(used).toEqual([])
        })
      )
    it.effect("another name in the ClientHello", () =>
      Effect.gen(function* () {
        const { heard, said } = yield* asking(get(`A: ${placeholder}\r\n`), { servername: "evil.test" })
        expect(heard).toEqual([])
        expect(said).toMatch(/^error/)
      })
    )
    it.effect("a host whose certificate nobody vouches for", () =>
      Effect.gen(function* () {
        const { heard, said, used } = yield* asking(get(`A: ${placeholder}\r\n`), { trusted: [] })
        expect(heard).toEqual([])
        expect(used).toEqual([])
        expect(said).toContain("502")
        expect(said).toContain("verified")
      })
    )
    it.effect("a second request with another Host, which the first one hides", () =>
      Effect.gen(function* () {
        const first = `POST / HTTP/1.1\r\nHost: ${name}\r\nContent-Length: 0\r\n\r\n`
        const { heard, said } = yield* asking(first + get(`A: ${placeholder}\r\n`, "/", "evil.test"))
        expect(heard.length).toBe(1)
        expect(said).toContain("421")
      })
    )
    it.effect("headers that would grow without end", () =>
      Effect.gen(function* () {
        const { heard, said } = yield* asking(get(`A: ${placeholder.repeat(600)}\r\n`), {
          secrets: [{ ...plainSecret, value: Redacted.make("v".repeat(8192)) }]
        })
        expect(heard).toEqual([])
        expect(said).toContain("431")
      })
    )
  })

  describe("what comes back", () => {
    const echo = `Authorization: Bearer ${placeholder}\r\n`
    const answers: ReadonlyArray<readonly [string, Answer]> = [
      ["as it is", () => ({ pieces: [`you sent ${value}`] })],
      [
        "in a header, its name and the status",
        () => ({ message: value.replaceAll('"', ""), headers: { "X-Echo": `Bearer ${value}` } })
      ],
      ["one byte at a time", () => ({ pieces: [...value] })],
      ["in base64", () => ({ pieces: [Buffer.from(`u:${value}`).toString("base64")] })],
      [
        "in lines of base64",
        () => ({
          pieces: [
            Buffer.from("x".repeat(50) + value)
              .toString("base64")
              .replace(/.{76}/g, "$&\n")
          ]
        })
      ],
      ["in hex", () => ({ pieces: [Buffer.from(value).toString("hex")] })],
      ["in a URL", () => ({ headers: { Location: `/?k=${encodeURIComponent(value)}` }, status: 302 })],
      ["in JSON", () => ({ pieces: [JSON.stringify({ value })] })],
      ["with gzip", () => ({ headers: { "Content-Encoding": "gzip" }, pieces: [gzipSync(value)] })],
      ["with brotli", () => ({ headers: { "Content-Encoding": "br" }, pieces: [brotliCompressSync(value)] })],
      [
        "in a trailer",
        () => ({ headers: { Trailer: "X-Echo" }, pieces: ["ok"], trailers: { "X-Echo": value } })
      ],
      ["in an error", () => ({ status: 401, pieces: [`bad key ${value}`] })]
    ]
    for (const [how, answer] of answers)
      it.effect(`masks the value ${how}`, () =>
        Effect.gen(function* () {
          const { heard, said } = yield* asking(get(echo), { answer })
          expect(heard[0]?.headers).toContain(`Bearer ${value}`)
          expect(said).toMatch(/^HTTP\/1.1 (200|302|401)/)
          for (const text of [
            value,
            encodeURIComponent(value),
            Buffer.from(value).toString("hex"),
            JSON.stringify(value).slice(1, -1),
            Buffer.from(value).toString("base64").slice(4, -4),
            Buffer.from(`xx${value}`).toString("base64").slice(4, -4)
          ])
            expect(said.replaceAll("\n", "")).not.toContain(text)
        })
      )
    it.effect("does not pass on what it cannot search", () =>
      Effect.gen(function* () {
        const { said } = yield* asking(get(echo), {
          answer: () => ({ headers: { "Content-Encoding": "zstd" }, pieces: ["?"] })
        })
        expect(said).toContain("502")
      })
    )
    it.effect("does not pass on what was encoded for the transfer", () =>
      Effect.gen(function* () {
        const { said } = yield* asking(get(echo), {
          answer: () => ({ headers: { "Transfer-Encoding": "gzip, chunked" }, pieces: [gzipSync(value)] })
        })
        expect(said).toMatch(/^HTTP\/1.1 502/)
      })
    )
    it.effect("does not pass on what grows beyond measure when it is decoded", () =>
      Effect.gen(function* () {
        const bomb = gzipSync(Buffer.alloc(32_000_000))
        for (const [encoding, piece] of [
          ["gzip", bomb],
          ["gzip, gzip", gzipSync(bomb)]
        ] as const) {
          const { said } = yield* asking(get(echo), {
            answer: () => ({ headers: { "Content-Encoding": encoding }, pieces: [piece] })
          })
          expect(said.length).toBeLessThan(12_000_000)
        }
      })
    )
    it.effect("passes on what is large and encoded", () =>
      Effect.gen(function* () {
        const text = Array.from({ length: 200_000 }, (_, at) => `line ${at}\n`).join("")
        const { said } = yield* asking(get(echo), {
          answer: () => ({ headers: { "Content-Encoding": "gzip" }, pieces: [gzipSync(text)] })
        })
        expect(said.length).toBeGreaterThan(text.length)
      })
    )
    it.effect("keeps the length that a HEAD tells, and has no body", () =>
      Effect.gen(function* () {
        const { said } = yield* asking(get(echo).replace("GET", "HEAD"), {
          answer: () => ({ headers: { "Content-Length": "1234" } })
        })
        expect(said.toLowerCase()).toContain("content-length: 1234")
        expect(said.endsWith("\r\n\r\n")).toBe(true)
      })
    )
    it.effect("keeps the length of what it masks", () =>
      Effect.gen(function* () {
        const { said } = yield* asking(get(echo), {
          answer: () => ({ headers: { "Content-Length": String(value.length) }, pieces: [value] })
        })
        expect(said.toLowerCase()).toContain(`content-length: ${value.length}`)
        expect(said.split("\r\n\r\n")[1]).toBe(placeholder.slice(0, value.length))
        expect(hide(said)).toBe(false)
      })
    )
  })
})
