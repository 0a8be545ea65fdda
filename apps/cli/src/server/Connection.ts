import { BulkheadClient } from "@bulkhead/api"
import { Options } from "@effect/cli"
import type { HttpClient } from "@effect/platform"
import { Effect, Option, type Redacted } from "effect"
import { Failure, of, ofOperator } from "../Failure.js"
import { tell } from "../terminal/Output.js"
import * as ServerUrl from "./ServerUrl.js"
import * as Token from "./Token.js"

/** Which server, and as whom. */
export const options = {
  server: Options.text("server").pipe(
    Options.withPseudoName("URL"),
    Options.withDescription(`The server; BULKHEAD_URL, or else ${ServerUrl.usual}, unless told.`),
    Options.optional
  ),
  tokenFile: Options.text("token-file").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription(
      "A file that holds the token; BULKHEAD_TOKEN or BULKHEAD_TOKEN_FILE unless told."
    ),
    Options.optional
  )
}

export interface Given {
  readonly server: Option.Option<string>
  readonly tokenFile: Option.Option<string>
}

/** How long a server may take to answer what is not a stream. */
const patience = "60 seconds"

export interface Client extends Effect.Effect.Success<ReturnType<typeof BulkheadClient.make>> {}

/** A server as a command speaks to it. */
export interface Connection {
  readonly url: string
  readonly client: Client
  /** A request, whose failures are told in words. */
  readonly ask: <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, Failure, R>
  /** The same, of what is for the operator alone. */
  readonly askAsOperator: <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, Failure, R>
}

const inTime =
  (url: string) =>
  <A, E, R>(request: Effect.Effect<A, E, R>) =>
    Effect.timeoutFail(request, {
      duration: patience,
      onTimeout: () => new Failure({ message: `${url} did not answer within ${patience}` })
    })

export const open = (
  url: string,
  token: Option.Option<Redacted.Redacted>
): Effect.Effect<Connection, never, HttpClient.HttpClient> =>
  Effect.map(
    BulkheadClient.make({ url, ...(Option.isSome(token) ? { token: token.value } : {}) }),
    (client) => ({
      url,
      client,
      ask: (request) => Effect.mapError(inTime(url)(request), of(url)),
      askAsOperator: (request) => Effect.mapError(inTime(url)(request), ofOperator(url))
    })
  )

const isThisMachine = (host: string) => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)

const goesInTheClear = (url: string) => url.startsWith("http:") && !isThisMachine(new URL(url).hostname)

/** The server that the command or the environment names, or else the usual one. */
export const make = Effect.fn("Connection.make")(function* ({ server, tokenFile }: Given) {
  const url = Option.getOrElse(yield* ServerUrl.find(server), () => ServerUrl.usual)
  const token = yield* Token.find(tokenFile)
  if (Option.isSome(token) && goesInTheClear(url))
    yield* tell("whoever is on the way can read the token, since the server is not asked by https://")
  return yield* open(url, token)
})
