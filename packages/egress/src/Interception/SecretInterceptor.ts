import { type IncomingMessage, type ServerResponse, request as sendRequest } from "node:http"
import { createServer } from "node:https"
import type { Duplex } from "node:stream"
import { pipeline } from "node:stream/promises"
import { connect, createSecureContext, rootCertificates, type SecureContext, type TLSSocket } from "node:tls"
import { SecretForms } from "@bulkhead/masking"
import { Data, Effect, Either, Redacted, Runtime } from "effect"
import { answerClosed, closed } from "../Closed.js"
import * as Headers from "../Headers.js"
import type { Interception, Interceptor } from "../Interceptor.js"
import * as Patience from "../Patience.js"
import type { CertificateAuthority } from "./CertificateAuthority.js"
import type { HostSecret } from "./HostSecret.js"
import * as RequestHeaders from "./RequestHeaders.js"
import * as RequestTarget from "./RequestTarget.js"
import * as ResponseBody from "./ResponseBody.js"

export interface InterceptorOptions {
  readonly name: string
  readonly port: number
  readonly secrets: ReadonlyArray<HostSecret>
  readonly authority: CertificateAuthority
  /** What is trusted of the host, as `trusting` gives it. */
  readonly trust: SecureContext
  /** Told of each secret of which a request gets the value. */
  readonly onUse: (secret: string) => Effect.Effect<void>
}

/** The host cannot be spoken to. The message is for the program. */
class Unreachable extends Data.TaggedError("Unreachable")<{ readonly reason: string }> {}

/** Milliseconds for a TLS handshake, and bytes of a request's and a response's headers. */
const handshakeTime = 10_000
const headBytes = 32 * 1024
const filledHeadBytes = 256 * 1024

/** A shorter value is no secret's, but one like "2" of a header: to hide it would spoil what only looks like it. */
const leastHidden = 8

const chunked = ["Transfer-Encoding", "chunked"] as const
/** Each request has a connection of its own to the host, so that no answer can be taken for another's. */
const closing = ["Connection", "close"] as const

const refuse = (response: ServerResponse, status: number, reason: string) =>
  Effect.sync(() => {
    if (response.headersSent) return void response.destroy()
    response.writeHead(status, {
      "Content-Type": "text/plain; charset=utf-8",
      "X-Bulkhead-Policy": "denied",
      Connection: "close"
    })
    response.end(`secrets: ${reason}\n`)
  })

/** Node's own words for what is wrong with a certificate or a connection, without what they quote. */
const reasonOf = (error: unknown) => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown"
  return `the host cannot be reached over TLS that is verified: ${code}`
}

/**
 * Trust in the usual certificates, and in these in PEM beside them. For all interceptors of a process: to read so many
 * takes some 50 ms.
 */
export const trusting = (beside: ReadonlyArray<string>): SecureContext =>
  createSecureContext({ ca: [...rootCertificates, ...beside], minVersion: "TLSv1.2" })

/** TLS to the host, verified for its name. */
const secured = ({ name, trust }: InterceptorOptions, raw: Duplex) =>
  Effect.async<TLSSocket, Unreachable>((resume) => {
    const socket = connect({
      socket: raw,
      servername: name,
      ALPNProtocols: ["http/1.1"],
      secureContext: trust
    })
    socket.once("secureConnect", () => resume(Effect.succeed(socket)))
    socket.once("error", (error) => resume(new Unreachable({ reason: reasonOf(error) })))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutFail({
      duration: handshakeTime,
      onTimeout: () => new Unreachable({ reason: "the host does not answer over TLS" })
    })
  )

/** A request as it goes on, or why it does not. */
const outgoing = (request: IncomingMessage, { name, port, secrets }: InterceptorOptions) => {
  const flaw = RequestTarget.flawOf(request, name, port)
  if (flaw !== undefined) return Either.left({ status: 421, reason: flaw })
  const own = Headers.endToEnd(Headers.pairsOf(request.rawHeaders))
  const filled = RequestHeaders.substitute(own, secrets)
  return RequestHeaders.sizeOf(filled.headers) > filledHeadBytes
    ? Either.left({
        status: 431,
        reason: `the request's headers would be larger than ${filledHeadBytes} bytes`
      })
    : Either.right(filled)
}

/** Sends a request with its body, and waits for the head of the answer. */
const send = (request: IncomingMessage, headers: ReadonlyArray<Headers.Pair>, socket: Duplex) =>
  Effect.async<IncomingMessage, Unreachable>((resume) => {
    const isChunked = request.headers["transfer-encoding"] !== undefined
    const sent = sendRequest({
      createConnection: () => socket,
      method: request.method ?? "GET",
      path: request.url ?? "/",
      setHost: false,
      maxHeaderSize: filledHeadBytes,
      headers: [...headers, ...(isChunked ? [chunked] : []), ...[closing]].flat()
    })
    const failed = () => resume(new Unreachable({ reason: "the host ended the connection" }))
    sent.once("response", (answer) => resume(Effect.succeed(answer)))
    sent.once("error", failed)
    sent.once("close", failed)
    // What the host did not want of the body is no failure: its answer says why.
    pipeline(request, sent).catch(() => undefined)
    return Effect.sync(() => sent.destroy())
  })

/** Headers as they may be seen: one whose very name holds a value is left out. */
const seen = (pairs: ReadonlyArray<Headers.Pair>, forms: SecretForms) =>
  pairs
    .filter(([name]) => !forms.isIn(name))
    .map(([name, value]): Headers.Pair => [name, forms.inText(value)])

const hasBody = ({ method }: IncomingMessage, { statusCode = 0 }: IncomingMessage) =>
  method !== "HEAD" && statusCode !== 204 && statusCode !== 304

/** Passes an answer on, with what is hidden in it masked. */
const passOn = (
  request: IncomingMessage,
  answer: IncomingMessage,
  response: ServerResponse,
  forms: SecretForms
): Effect.Effect<void, Unreachable> => {
  const body = hasBody(request, answer)
  const decoders = body ? ResponseBody.decodersOf(answer.headers) : []
  if (decoders === undefined)
    return new Unreachable({ reason: "the host's answer has an encoding that cannot be searched" })
  const dropped = decoders.length > 0 ? ["content-encoding", "content-length"] : []
  const headers = Headers.endToEnd(Headers.pairsOf(answer.rawHeaders)).filter(
    ([name]) => !dropped.includes(name.toLowerCase())
  )
  return Effect.tryPromise({
    try: async (signal) => {
      response.writeHead(
        answer.statusCode ?? 502,
        forms.inText(answer.statusMessage ?? ""),
        seen(headers, forms).flat()
      )
      const mask = ResponseBody.masked(forms)
      mask.once("end", () => {
        const trailers = seen(Headers.pairsOf(answer.rawTrailers), forms)
        if (trailers.length > 0 && response.chunkedEncoding)
          response.addTrailers(trailers.map(([...pair]) => pair))
      })
      await pipeline([answer, ...decoders, mask, response], { signal })
    },
    catch: () => new Unreachable({ reason: "the host's answer ended early" })
  })
}

/** One request of the program's: judged, filled in, sent on over a connection of its own, and answered. */
const exchange = (
  options: InterceptorOptions,
  { dial }: Interception,
  forms: SecretForms,
  request: IncomingMessage,
  response: ServerResponse
) =>
  Effect.gen(function* () {
    const wanted = outgoing(request, options)
    if (Either.isLeft(wanted)) return yield* refuse(response, wanted.left.status, wanted.left.reason)
    const raw = yield* Effect.mapError(dial, ({ message }) => new Unreachable({ reason: message }))
    const socket = yield* secured(options, raw)
    yield* Effect.forEach(wanted.right.used, options.onUse, { discard: true })
    const answer = yield* send(request, wanted.right.headers, socket)
    yield* passOn(request, answer, response, forms)
  }).pipe(
    Effect.catchTag("Unreachable", ({ reason }) => refuse(response, 502, reason)),
    Effect.scoped,
    Effect.raceFirst(answerClosed(request, response))
  )

/** A server for one connection, which ends its TLS in the name's stead. */
const innerServer = (options: InterceptorOptions, connection: Interception, forms: SecretForms) =>
  Effect.gen(function* () {
    const { authority, name } = options
    const context = yield* authority.contextFor(name)
    const heads = yield* Patience.make
    // The handshake is a part of the first one.
    yield* heads.start(connection.client)
    const run = Runtime.runFork(yield* Effect.runtime<never>())
    return yield* Effect.acquireRelease(
      Effect.sync(() =>
        createServer(
          {
            ALPNProtocols: ["http/1.1"],
            minVersion: "TLSv1.2",
            handshakeTimeout: handshakeTime,
            insecureHTTPParser: false,
            maxHeaderSize: headBytes,
            keepAliveTimeout: 60_000,
            SNICallback: (asked, done) =>
              asked.toLowerCase() === name ? done(null, context) : done(new Error("another name"))
          },
          (request, response) =>
            run(heads.during(connection.client, exchange(options, connection, forms, request, response)))
        )
      ),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    )
  })

/** Ends the TLS of connections to a host that may have secrets, and speaks to the host itself. */
export const make = (options: InterceptorOptions): Interceptor => {
  const forms = new SecretForms(
    options.secrets
      .map(({ placeholder, value }) => ({ value: Redacted.value(value), shown: placeholder }))
      .filter(({ value }) => value.length >= leastHidden)
  )
  return (connection) =>
    Effect.flatMap(innerServer(options, connection, forms), (server) => {
      const over = closed(connection.client)
      connection.client.on("error", () => connection.client.destroy())
      server.emit("connection", connection.client)
      return over
    })
}
