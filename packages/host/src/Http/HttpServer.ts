import * as Http from "node:http"
import { Cause, Effect, Fiber, Option, Runtime, type Scope } from "effect"
import { ListenFailed } from "../HostErrors.js"
import * as Answer from "./Answer.js"
import * as BadRequests from "./BadRequests.js"
import { HttpRequest } from "./HttpRequest.js"
import * as RequestSpan from "./RequestSpan.js"
import * as Routes from "./Routes.js"

/** Milliseconds that a connection may wait for its next request: clients that pause for less find it open. */
const KEEP_ALIVE = 60_000

/** The longest interval of node's timers, in milliseconds: they take a longer one for none. */
const LONGEST_INTERVAL = 2 ** 31 - 1

const failed = Answer.json(500, { code: 500, message: "internal error" })

const drained = (response: Http.ServerResponse) =>
  Effect.async<void>((resume) => {
    const onDrain = () => resume(Effect.void)
    // It may have been told since the write, where the fiber had to yield between.
    if (!response.writableNeedDrain && !response.destroyed) return onDrain()
    response.once("drain", onDrain)
    return Effect.sync(() => response.off("drain", onDrain))
  })

/** Writes pieces as fast as the client reads them. */
const writePieces = (response: Http.ServerResponse, pieces: Answer.Pieces): Effect.Effect<void, unknown> =>
  Effect.flatMap(pieces, ({ bytes, isLast }) => {
    if (isLast) return Effect.sync(() => void response.end(bytes))
    const written = Effect.suspend(() => (response.write(bytes) ? Effect.void : drained(response)))
    return Effect.zipRight(written, writePieces(response, pieces))
  })

/** Sends keepalives while the response is open. A client that is slow to read needs none. */
const keepAlive = (response: Http.ServerResponse, { bytes, interval }: Answer.Keepalive): void => {
  const timer = setInterval(
    () => {
      if (!response.writableNeedDrain && !response.writableEnded) response.write(bytes)
    },
    Math.min(interval, LONGEST_INTERVAL)
  )
  response.once("close", () => clearInterval(timer))
}

const write = (response: Http.ServerResponse, answer: Answer.Answer): Effect.Effect<void, unknown> =>
  Effect.suspend(() => {
    response.writeHead(answer.status, answer.headers)
    if (response.req.method === "HEAD") return Effect.sync(() => void response.end())
    if (answer._tag === "Whole") return Effect.sync(() => void response.end(answer.body))
    if (Option.isSome(answer.keepalive)) keepAlive(response, answer.keepalive.value)
    return writePieces(response, answer.body)
  })

/** A failure is told while there is no answer yet. After that, the client finds its connection cut. */
const giveUp = (response: Http.ServerResponse, cause: Cause.Cause<unknown>) =>
  Effect.zipRight(
    Cause.isDie(cause) ? Effect.logError("A request failed", cause) : Effect.void,
    Effect.suspend(() =>
      response.headersSent
        ? Effect.sync(() => void response.destroy())
        : Effect.ignore(write(response, failed))
    )
  )

const respond = (match: Routes.Match, message: Http.IncomingMessage, response: Http.ServerResponse) =>
  Effect.flatMap(match.handler(new HttpRequest(message, match.id)), (answer) =>
    Effect.zipRight(
      Effect.annotateCurrentSpan("http.response.status_code", answer.status),
      write(response, answer)
    )
  ).pipe(
    Effect.scoped,
    (answering) => RequestSpan.around(match, message, answering),
    Effect.catchAllCause((cause) => giveUp(response, cause)),
    // The server's runtime may come from where nothing interrupts.
    Effect.interruptible
  )

/** Answers the server's requests by the routes. A client that goes away interrupts its handler. */
export const serve = (server: Http.Server, routes: ReadonlyArray<Routes.Route>): Effect.Effect<void> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const find = Routes.finder(routes)
    const runFork = Runtime.runFork(runtime)
    server.on("request", (message, response) => {
      const found = find(message.method ?? "", message.url ?? "")
      const match = BadRequests.lacksHost(message) ? BadRequests.withoutHost : found
      const fiber = runFork(respond(match, message, response))
      response.on("close", () => {
        if (!response.writableEnded) runFork(Fiber.interruptFork(fiber))
      })
    })
  })

/** A server that listens while the scope is open. It does not wait for the connections that clients keep open. */
export const listen = (
  address: string,
  port: number
): Effect.Effect<Http.Server, ListenFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Http.Server, ListenFailed>((resume) => {
      const server = Http.createServer({
        keepAliveTimeout: KEEP_ALIVE,
        maxHeaderSize: BadRequests.HEADER_BYTES,
        requireHostHeader: false,
        // A file may be sent for as long as its sandbox lives.
        requestTimeout: 0
      })
      BadRequests.answer(server)
      server.once("error", (cause) => resume(new ListenFailed({ address: `${address}:${port}`, cause })))
      server.listen({ host: address, port }, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

/** The port that a server listens on. */
export const portOf = (server: Http.Server): number => {
  const bound = server.address()
  return typeof bound === "object" && bound !== null ? bound.port : 0
}

/** Where a server answers. */
export const urlOf = (server: Http.Server, address: string): string => {
  const port = portOf(server)
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}`
}
