import * as Http from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { NetworkReport } from "@bulkhead/domain"
import { Effect, FiberSet, Option, type Scope } from "effect"
import * as Attempts from "./Attempts.js"
import { answerClosed, closed } from "./Closed.js"
import * as Dialing from "./Dialing.js"
import * as Endpoint from "./Endpoint.js"
import * as HttpForward from "./HttpForward.js"
import type { Intercept } from "./Interceptor.js"
import * as Meter from "./Meter.js"
import { NameResolver } from "./NameResolver.js"
import type * as NetworkPolicy from "./NetworkPolicy.js"
import { nextBytes } from "./Opening.js"
import * as Patience from "./Patience.js"
import type { Refused } from "./Refused.js"
import * as Socks from "./Socks.js"
import * as Tunnel from "./Tunnel.js"

/** What one sandbox's programs may do. */
export interface GateOptions {
  readonly policy: NetworkPolicy.NetworkPolicy
  readonly surroundings: NetworkPolicy.Surroundings
  readonly limits: Meter.NetworkLimits
  /** Asked for each connection to a name that is allowed. Default: nobody serves in another's place. */
  readonly intercept?: Intercept | undefined
}

/** The one way from a sandbox to the world. */
export interface Gate {
  /** Serves a connection of one of its programs, until it is over. */
  readonly serve: (connection: Socket) => void
  readonly attempts: Attempts.Attempts
  readonly use: Effect.Effect<NetworkReport["use"]>
}

/** Milliseconds without a byte in either direction after which a connection is cut. */
const IDLE = 5 * 60_000
/** How long a program may take to say anything, and to say what it wants. */
const patience = "30 seconds"
const LARGEST_HEAD = 32_768
const MOST_HEADERS = 200
/** Requests of one connection that are under way at once: of clients that do not wait for answers, apt has ten. */
const MOST_AT_ONCE = 16

const statusOf = ({ reason }: Refused) => {
  if (reason === "malformed") return 400
  return reason === "unreachable" || reason === "no_such_name" ? 502 : 403
}

/** A status line is all that many clients show. */
const wordsOf = ({ message, reason }: Refused) =>
  reason === "malformed" ? "Bad Request" : message.replace(/[^ -~]/g, "?").slice(0, 300)

const headersOf = (refused: Refused, body: string) => ({
  "Content-Type": "text/plain; charset=utf-8",
  "Content-Length": Buffer.byteLength(body),
  ...(statusOf(refused) !== 502 && { "X-Bulkhead-Policy": "denied" }),
  Connection: "close"
})

const answer = (refused: Refused, response: Http.ServerResponse) =>
  Effect.sync(() => {
    const body = `${refused.message}\n`
    if (response.headersSent) return void response.destroy()
    response.writeHead(statusOf(refused), wordsOf(refused), headersOf(refused, body))
    response.end(body)
  })

/** The same to a program that asked for a tunnel. */
const refuseTunnel = (refused: Refused, client: Duplex) =>
  Effect.sync(() => {
    const body = `${refused.message}\n`
    const headers = Object.entries(headersOf(refused, body)).map(([name, value]) => `${name}: ${value}\r\n`)
    client.end(`HTTP/1.1 ${statusOf(refused)} ${wordsOf(refused)}\r\n${headers.join("")}\r\n${body}`)
  })

const established = (client: Duplex) =>
  Effect.sync(() => void client.write("HTTP/1.1 200 Connection established\r\n\r\n"))

/** A gate for one sandbox. With the scope, its connections are cut. */
export const make = (options: GateOptions): Effect.Effect<Gate, never, Scope.Scope | NameResolver> =>
  Effect.gen(function* () {
    const { intercept, limits, policy, surroundings } = options
    const attempts = yield* Attempts.make
    const meter = yield* Meter.make(limits)
    const names = yield* NameResolver
    const dialing = yield* Dialing.make({ attempts, meter, names, policy, surroundings })
    const heads = yield* Patience.make
    const run = yield* FiberSet.makeRuntime<never>()
    /** Where the connections lead whose HTTP is served within a tunnel. */
    const tunnels = new WeakMap<Duplex, Dialing.Route>()

    const forward = (message: Http.IncomingMessage, response: Http.ServerResponse) => {
      const wanted = HttpForward.wantedBy(message, tunnels.get(message.socket))
      return HttpForward.run(dialing, message, response, wanted).pipe(
        Effect.catchAll((refused) => answer(refused, response)),
        Effect.scoped
      )
    }

    const parser = Http.createServer({
      insecureHTTPParser: false,
      maxHeaderSize: LARGEST_HEAD,
      requireHostHeader: false
    })
    parser.maxHeadersCount = MOST_HEADERS
    // Between two requests the parser sets a time of its own, and afterwards this one again.
    parser.timeout = IDLE
    const serveHttp = (client: Duplex) =>
      heads
        .start(client)
        .pipe(
          Effect.zipRight(Effect.sync(() => void parser.emit("connection", client))),
          Effect.zipRight(closed(client)),
          Effect.ensuring(heads.stop(client))
        )
    const tunnel: Tunnel.TunnelOptions = {
      ...{ dialing, intercept, policy },
      serveHttp: (client, route) =>
        Effect.zipRight(
          Effect.sync(() => void tunnels.set(client, route)),
          serveHttp(client)
        )
    }

    const onConnect = (message: Http.IncomingMessage, client: Duplex, head: Buffer) => {
      if (head.length > 0) client.unshift(head)
      const asked = message.url ?? ""
      // No tunnel leads through another: what is in one is for its server.
      return dialing
        .judge("connect", asked, tunnels.has(client) ? Option.none() : Endpoint.parse(asked))
        .pipe(
          Effect.flatMap((route) => Tunnel.run(tunnel, client, route, established(client))),
          Effect.catchAll((refused) => refuseTunnel(refused, client))
        )
    }
    // Nothing is done any more for a program that has gone away.
    parser.on("request", (message, response) => {
      // The parser goes on with what it has of a connection that is cut.
      if (message.socket.destroyed) return
      if (heads.servedOn(message.socket) >= MOST_AT_ONCE) return void message.socket.destroy()
      const over = answerClosed(message, response)
      run(heads.during(message.socket, Effect.raceFirst(forward(message, response), over)))
    })
    parser.on("connect", (message, client, head) =>
      run(
        Effect.zipRight(
          heads.stop(client),
          Effect.raceFirst(onConnect(message, client, head), closed(client))
        )
      )
    )

    const serveSocks = Effect.fnUntraced(function* (client: Socket) {
      const request = yield* Effect.timeout(Socks.read(client), patience)
      if (Option.isNone(request)) return
      const { asked, endpoint } = request.value
      yield* dialing.judge("socks5", asked, endpoint).pipe(
        Effect.flatMap((route) => Tunnel.run(tunnel, client, route, Socks.accept(client))),
        Effect.catchTag("Refused", ({ reason }) => Socks.refuse(client, reason)),
        Effect.raceFirst(closed(client))
      )
      yield* closed(client)
    })

    const serve = (client: Socket) =>
      Effect.gen(function* () {
        const first = yield* Effect.timeout(nextBytes(client), patience)
        if (Option.isNone(first)) return
        client.unshift(first.value)
        yield* first.value[0] === Socks.VERSION ? serveSocks(client) : serveHttp(client)
      }).pipe(Effect.ignore, Effect.ensuring(Effect.sync(() => client.destroy())))

    return {
      serve: (client) => {
        client.on("error", () => client.destroy())
        client.setTimeout(IDLE, () => client.destroy())
        run(serve(client))
      },
      attempts,
      use: Effect.zipWith(meter.counts, attempts.counts, (counted, { denied, missed }) => ({
        ...{ ...counted, denied, missed }
      }))
    }
  })
