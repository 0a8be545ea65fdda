import * as Http from "node:http"
import * as Net from "node:net"
import { Duplex, PassThrough } from "node:stream"
import * as Tls from "node:tls"
import { type NetworkTarget, parseTarget } from "@bulkhead/domain"
import { NameUnknown } from "@bulkhead/egress"
import { Effect, Either, type Scope } from "effect"
import { cert, key } from "./Certificate.js"

/** An address of the loopback device that no other test of this machine has. */
const network = `127.${64 + (process.pid % 128)}.${Math.floor(process.pid / 128) % 256}`

/** What names stand for. Nothing is known of others. */
export const addresses = {
  /** Opened by the operator: what is allowed lies here, and what is not. */
  open: `${network}.1`,
  /** Not opened. */
  inside: `${network}.2`
}

export const target = (text: string): NetworkTarget => Either.getOrThrow(parseTarget(text))

/** Everything that servers were sent, and what they understood of it. */
export interface Heard {
  readonly bytes: Array<string>
  readonly requests: Array<{ host: string; url: string; headers: Http.IncomingHttpHeaders }>
  /** Names that were asked for. */
  readonly lookups: Array<string>
  readonly connections: { inside: number; open: number; most: number; now: number }
}

const port80 = 80
const port443 = 443
/** Beside the ports of the web: one of HTTP, one of a server that speaks first. */
export const ports = { odd: 8080, first: 2525 }

const listening = (server: Net.Server, port: number, address: string) =>
  Effect.acquireRelease(
    Effect.async<Net.Server, Error>((resume) => {
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(port, address, () => resume(Effect.succeed(server)))
    }),
    () => Effect.sync(() => server.close())
  ).pipe(Effect.orDie)

/** Servers at the usual ports of two addresses, and what stands in the place of DNS. */
export const make: Effect.Effect<Heard, never, Scope.Scope> = Effect.gen(function* () {
  const heard: Heard = {
    ...{ bytes: [], requests: [], lookups: [] },
    connections: { inside: 0, open: 0, most: 0, now: 0 }
  }
  const http = Http.createServer((request, response) => {
    heard.requests.push({
      host: request.headers.host ?? "",
      url: request.url ?? "",
      headers: request.headers
    })
    // The server must not hear what is looked for in what others hear.
    const to = /^\/redirect\?(.*)$/.exec(request.url ?? "")?.[1]
    if (to !== undefined)
      response.writeHead(302, { location: `http://other.example/${[...to].reverse().join("")}` })
    if (request.url === "/large") return response.end(Buffer.alloc(4_000_000))
    request.on("data", () => undefined)
    request.on("end", () => response.end(`heard ${request.headers.host}${request.url}`))
  })
  const hear = (bytes: Buffer) => void heard.bytes.push(bytes.toString("latin1"))
  const tap = (where: "inside" | "open", serve: (connection: Duplex) => void) =>
    Net.createServer((socket) => {
      heard.connections[where] += 1
      heard.connections.now += 1
      heard.connections.most = Math.max(heard.connections.most, heard.connections.now)
      socket.on("close", () => {
        heard.connections.now -= 1
      })
      socket.on("error", () => socket.destroy())
      const tapped = new PassThrough()
      tapped.on("data", hear)
      const connection = Duplex.from({ readable: socket.pipe(tapped), writable: socket })
      connection.on("error", () => socket.destroy())
      serve(connection)
    })
  const secure = Tls.createSecureContext({ key, cert })
  const overTls = (connection: Duplex) => {
    const inner = new Tls.TLSSocket(connection, { isServer: true, secureContext: secure })
    inner.on("error", () => inner.destroy())
    inner.once("secure", () => http.emit("connection", inner))
  }
  const plain = (connection: Duplex) => void http.emit("connection", connection)
  for (const [where, address] of [
    ["open", addresses.open],
    ["inside", addresses.inside]
  ] as const) {
    yield* listening(tap(where, plain), port80, address)
    yield* listening(tap(where, overTls), port443, address)
    yield* listening(tap(where, plain), ports.odd, address)
  }
  const greeting = (connection: Duplex) => void connection.write("220 ready\r\n")
  yield* listening(tap("open", greeting), ports.first, addresses.open)
  return heard
})

/** DNS of these tests: each look-up of a name gives its next list of addresses, and then the last again. */
export const resolver = (
  { lookups }: Heard,
  names: Readonly<Record<string, ReadonlyArray<ReadonlyArray<string>>>>
) => ({
  addressesOf: (name: string) =>
    Effect.suspend(() => {
      const before = lookups.filter((each) => each === name).length
      lookups.push(name)
      const lists = names[name] ?? []
      const found = lists[Math.min(before, lists.length - 1)]
      return found === undefined ? new NameUnknown() : Effect.succeed(found)
    })
})
