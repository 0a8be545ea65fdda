import { createServer as createPlain, type IncomingMessage, type ServerResponse } from "node:http"
import { createServer } from "node:https"
import type { AddressInfo, Server } from "node:net"
import { text } from "node:stream/consumers"
import { gzipSync } from "node:zlib"
import { CertificateAuthority } from "@bulkhead/egress"
import { Effect } from "effect"

/** A request as a host received it. */
export interface Received {
  readonly url: string
  readonly headers: ReadonlyArray<string>
  readonly body: string
}

/** What a host tells of the first header that has a key, one way or another. */
const tell: Readonly<Record<string, (key: string, response: ServerResponse) => void>> = {
  "/plain": (key, response) => void response.end(`you sent ${key}`),
  "/base64": (key, response) => void response.end(Buffer.from(`u:${key}`).toString("base64")),
  "/base64url": (key, response) => void response.end(Buffer.from(`me:${key}?`).toString("base64url")),
  "/hex": (key, response) => void response.end(Buffer.from(key).toString("hex").toUpperCase()),
  "/url": (key, response) => void response.end(Buffer.from(key).toString("hex").replace(/../g, "%$&")),
  "/json": (key, response) => void response.end(JSON.stringify({ headers: { authorization: key } })),
  "/gzip": (key, response) =>
    void response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync(`${key} ${key}`)),
  "/backwards": (key, response) => void response.end([...key].reverse().join("")),
  "/chunks": (key, response) => {
    const letters = [...`data: ${key}\n\n`]
    const next = () => {
      const letter = letters.shift()
      if (letter === undefined) return void response.end()
      response.write(letter)
      setImmediate(next)
    }
    next()
  },
  "/header": (key, response) =>
    void response.writeHead(200, { "X-Echo": key, "Set-Cookie": `k=${key}` }).end("ok"),
  "/header-name": (key, response) =>
    void response.writeHead(200, { [key.replaceAll(/[^A-Za-z0-9-]/g, "-")]: "1" }).end("ok"),
  "/status": (key, response) => void response.writeHead(401, key).end(),
  "/trailer": (key, response) => {
    response.writeHead(200, { Trailer: "X-Echo" })
    response.write("ok")
    response.addTrailers({ "X-Echo": key })
    response.end()
  },
  "/error": (key, response) => void response.writeHead(500).end(`invalid key "${key}" at line 1`),
  "/range": (key, response) => void response.end(key)
}

const answer =
  (received: Array<Received>, redirect: string) =>
  async (request: IncomingMessage, response: ServerResponse) => {
    const { rawHeaders, url = "/" } = request
    received.push({ url, headers: rawHeaders, body: await text(request) })
    if (url.startsWith("/redirect")) return void response.writeHead(302, { Location: redirect }).end()
    const key = request.headers.authorization ?? String(request.headers["x-key"] ?? "none")
    const path = url.replace(/\?.*/, "")
    const how = tell[path] ?? tell["/plain"]
    how?.(key, response)
  }

const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () => Effect.sync(() => server.close())
  )

/** What the hosts are called. */
export const ownName = "api.test"
export const otherName = "evil.test"

/** Has a process of Node find those names on this machine: what it loads before anything else. */
export const preload = `import { Resolver } from "node:dns"
const { resolve4 } = Resolver.prototype
Resolver.prototype.resolve4 = function (name, done) {
  return name.endsWith(".test") ? void setImmediate(done, null, ["127.0.0.1"]) : resolve4.call(this, name, done)
}
`

/** The host of the secrets, another one over TLS, and one without; and what each has received. */
export const make = Effect.gen(function* () {
  const roots = yield* CertificateAuthority.make
  const secured = (name: string, received: Array<Received>, redirect: string) =>
    Effect.flatMap(roots.contextFor(name), (context) =>
      listening(createServer({ SNICallback: (_, done) => done(null, context) }, answer(received, redirect)))
    )
  const own: Array<Received> = []
  const others: Array<Received> = []
  const plainPort = yield* listening(createPlain(answer(others, "/")))
  const otherPort = yield* secured(otherName, others, "/")
  const port = yield* secured(ownName, own, `https://${otherName}:${otherPort}/plain`)
  return { certificate: roots.certificate, port, otherPort, plainPort, own, others }
})
