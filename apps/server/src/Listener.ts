import type { Server } from "node:http"
import { FileSystem, HttpServer, type HttpServerError } from "@effect/platform"
import { NodeContext, NodeHttpServer } from "@effect/platform-node"
import { Context, Duration, Effect, Layer, Option, Predicate, Schema } from "effect"
import { boundedServer, longestIdle } from "./ConnectionBounds.js"
import { Draining } from "./Draining.js"
import { ClusterConfig } from "./settings/ClusterConfig.js"
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

const mostConnections = 10_000
/** What Linux gives a process unless told otherwise. */
const usualDescriptors = 1024

/** Sandboxes, files and the database need descriptors too. */
const connectionsFor = (descriptors: number) => Math.min(mostConnections, Math.floor(descriptors / 2))

const descriptors = Effect.flatMap(FileSystem.FileSystem, (files) =>
  files.readFileString("/proc/self/limits")
).pipe(
  Effect.map((limits) => Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.MAX_SAFE_INTEGER)),
  Effect.orElseSucceed(() => usualDescriptors)
)

const aDrop = (server: Server) =>
  Effect.async<void>((resume) => {
    server.once("drop", () => resume(Effect.void))
  })

/** Says at most once a minute that connections are turned away. */
const tellDrops = (server: Server, connections: number) =>
  aDrop(server).pipe(
    Effect.zipRight(
      Effect.logWarning(`Connections are turned away: there are ${connections} (SANDBOX_MAX_CONNECTIONS)`)
    ),
    Effect.zipRight(Effect.sleep("1 minute")),
    Effect.forever
  )

const listening = Effect.gen(function* () {
  const { host, maxConnections, port, requestTimeout } = yield* ServerConfig
  const connections = yield* Option.match(maxConnections, {
    onNone: () => Effect.map(descriptors, connectionsFor),
    onSome: Effect.succeed
  })
  const server = boundedServer({ connections, requestTimeout })
  const httpServer = yield* NodeHttpServer.make(() => server, { host, port }).pipe(
    Effect.mapError(listenFailure(host, port))
  )
  yield* Effect.forkScoped(tellDrops(server, connections))
  // Of replicas, whoever asks on is answered by another one: with nobody there, nothing is gained by waiting.
  const lingering = Option.isSome(yield* ClusterConfig) ? Duration.seconds(longestIdle) : Duration.zero
  return Context.make(HttpServer.HttpServer, httpServer).pipe(
    Context.add(Draining, Draining.make(server, lingering))
  )
})

/** Listens where the settings say. */
export const layer = Layer.scopedContext(listening).pipe(Layer.provide(NodeContext.layer))
