import { createServer, type Server } from "node:http"
import { HttpServer, type HttpServerError } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, Predicate, Schedule, Schema } from "effect"
import { ServerConfig } from "./settings/ServerConfig.js"

/** The server cannot listen where the settings say. */
export class ListenFailure extends Schema.TaggedError<ListenFailure>()("ListenFailure", {
  message: Schema.String
}) {}

const reasonFor = (host: string, port: number, code: string) => {
  switch (code) {
    case "EADDRINUSE":
      return `PORT: ${port} on ${host} is in use by another process; expected a free port, or 0 for any`
    case "EACCES":
      return `PORT: this user may not listen on port ${port}; take one above 1023`
    case "EADDRNOTAVAIL":
      return `HOST: ${host} is no address of this machine; take one that it has, or 127.0.0.1`
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `HOST: no address is known for the name ${host}; correct it, or give an address of this machine`
    default:
      return `HOST, PORT: cannot listen on ${host}, port ${port}: ${code}`
  }
}

const listenFailure = (host: string, port: number) => (error: HttpServerError.ServeError) => {
  const code = Predicate.hasProperty(error.cause, "code") ? String(error.cause.code) : String(error.cause)
  return new ListenFailure({ message: reasonFor(host, port, code) })
}

/** How long connections may take to receive responses that are under way. */
const closingTime = "2 seconds"

// A keep-alive connection becomes idle some time after its last response.
const closeIdle = (server: Server) =>
  Effect.repeat(
    Effect.sync(() => server.closeIdleConnections()),
    Schedule.spaced("20 millis")
  )

const closed = (server: Server) =>
  Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
  })

/** Accepts no new connection and closes idle ones; when the closing time is over, also those that are busy. */
const close = (server: Server) =>
  Effect.raceFirst(Effect.interruptible(closed(server)), Effect.interruptible(closeIdle(server))).pipe(
    Effect.timeoutOption(closingTime),
    Effect.zipRight(Effect.sync(() => server.closeAllConnections()))
  )

const listening = Effect.gen(function* () {
  const { host, port } = yield* ServerConfig
  const server = createServer()
  const httpServer = yield* NodeHttpServer.make(() => server, { host, port }).pipe(
    Effect.mapError(listenFailure(host, port))
  )
  yield* Effect.addFinalizer(() => close(server))
  return httpServer
})

/** Listens where the settings say. */
export const layer = Layer.scoped(HttpServer.HttpServer, listening)
