import * as Http from "node:http"
import type { Duplex } from "node:stream"
import { Effect, Option, type Scope } from "effect"
import type { Dialing, Route } from "./Dialing.js"
import * as Endpoint from "./Endpoint.js"
import * as Headers from "./Headers.js"
import { Refused } from "./Refused.js"

const HTTP = 80

/** The headers that go on. The host is said anew. */
const onward = ({ rawHeaders }: Http.IncomingMessage) =>
  Headers.endToEnd(Headers.pairsOf(rawHeaders)).filter(([name]) => name.toLowerCase() !== "host")

/** What a request is for. */
export interface Wanted {
  readonly asked: string
  readonly endpoint: Option.Option<Endpoint.Endpoint>
  readonly path: string
}

const hostHeaders = ({ rawHeaders }: Http.IncomingMessage) =>
  Headers.pairsOf(rawHeaders).filter(([name]) => name.toLowerCase() === "host")

const isSame = (one: Endpoint.Endpoint, other: Option.Option<Endpoint.Endpoint>) =>
  Option.isSome(other) && other.value.host === one.host && other.value.port === one.port

/** Whether the request has at most one Host, which is what it is for. */
const hasHostOf = (endpoint: Endpoint.Endpoint, message: Http.IncomingMessage) => {
  const [first, ...more] = hostHeaders(message)
  return more.length === 0 && (first === undefined || isSame(endpoint, Endpoint.parse(first[1], HTTP)))
}

/** What a request names in absolute form, as requests to a proxy do. */
const absolute = (message: Http.IncomingMessage): Wanted => {
  const [, authority = "", path = ""] = /^http:\/\/([^/?#]*)([/?][!-~]*)?$/i.exec(message.url ?? "") ?? []
  const endpoint = Option.filter(Endpoint.parse(authority, HTTP), (known) => hasHostOf(known, message))
  const asked = authority === "" ? (message.url ?? "") : authority
  return { asked, endpoint, path: path.startsWith("/") ? path : `/${path}` }
}

/** What a request within a tunnel names: nothing but where the tunnel leads. */
const within = (message: Http.IncomingMessage, route: Route): Wanted => {
  const url = message.url ?? ""
  const isPath = /^\/[!-~]*$/.test(url) || url === "*"
  const isHeld = isPath && hostHeaders(message).length === 1 && hasHostOf(route, message)
  const { host, kind, port } = route
  return { asked: host, path: url, endpoint: isHeld ? Option.some({ host, kind, port }) : Option.none() }
}

/** What is asked for, on a connection of the proxy's or in a tunnel to somewhere. */
export const wantedBy = (message: Http.IncomingMessage, tunnel: Route | undefined): Wanted =>
  tunnel === undefined ? absolute(message) : within(message, tunnel)

const failure = new Refused({ reason: "unreachable", message: "the server gave no answer of HTTP" })

/** Written anew from what was read of it, so that nothing in it can be taken for a second request. */
const send = (message: Http.IncomingMessage, { path }: Wanted, route: Route, connection: Duplex) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const headers = onward(message).flat()
        const hasBody = message.headers["transfer-encoding"] !== undefined
        const sent = Http.request({
          method: message.method ?? "GET",
          path,
          headers: [
            ...["Host", Endpoint.authorityOf(route, HTTP), ...headers, "Connection", "close"],
            ...(hasBody ? ["Transfer-Encoding", "chunked"] : [])
          ],
          setHost: false,
          createConnection: () => connection,
          insecureHTTPParser: false
        })
        sent.on("error", () => undefined)
        return sent
      },
      catch: () =>
        new Refused({ reason: "malformed", message: "network policy: the request is not well-formed" })
    }),
    (sent) => Effect.sync(() => sent.destroy())
  )

/** Sends the body, and waits for the head of the answer. */
const answerTo = (message: Http.IncomingMessage, sent: Http.ClientRequest) =>
  Effect.async<Http.IncomingMessage, Refused>((resume) => {
    sent.once("response", (answer) => resume(Effect.succeed(answer)))
    sent.once("upgrade", () => resume(failure))
    sent.once("error", () => resume(failure))
    sent.once("close", () => resume(failure))
    message.pipe(sent)
  })

const receive = (answer: Http.IncomingMessage, response: Http.ServerResponse) =>
  Effect.try({
    try: () => {
      answer.on("error", () => response.destroy())
      answer.once("aborted", () => response.destroy())
      // A status line is read with characters in it that none may be written with.
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, onward(answer).flat())
      answer.pipe(response)
    },
    catch: () => failure
  }).pipe(
    // Who serves the connection knows when it is over.
    Effect.zipRight(Effect.never)
  )

/** Passes a request on to what was judged for it, and the answer back. */
export const run = (
  dialing: Dialing,
  message: Http.IncomingMessage,
  response: Http.ServerResponse,
  wanted: Wanted
): Effect.Effect<void, Refused, Scope.Scope> =>
  Effect.gen(function* () {
    const route = yield* dialing.judge("http", wanted.asked, wanted.endpoint)
    const connection = yield* dialing.dial(route)
    const sent = yield* send(message, wanted, route, connection)
    const answer = yield* answerTo(message, sent)
    yield* receive(answer, response)
  })
