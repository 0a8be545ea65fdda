import http from "node:http"
import https from "node:https"
import { isIPv6, type LookupFunction } from "node:net"
import { isAddress, isAllowed, type Network } from "@bulkhead/domain"
import { NameResolver } from "@bulkhead/egress"
import { Context, Duration, Effect, Layer, Predicate, Schema } from "effect"
import { flawOf, hostOf } from "./Target.js"

/** A message did not reach its receiver, or the receiver did not take it. The message says why in a few words. */
export class DeliveryFailure extends Schema.TaggedError<DeliveryFailure>()("DeliveryFailure", {
  message: Schema.String
}) {}

export interface Post {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Whoever gets messages. */
export class Receiver extends Context.Tag("@bulkhead/webhooks/Receiver")<
  Receiver,
  {
    /** Posts a message, and gives the status of the answer. Follows no redirect, and has no bound in time. */
    readonly post: (post: Post) => Effect.Effect<number, DeliveryFailure>
  }
>() {}

export interface ReceiverOptions {
  /** What may be connected to beside public addresses. Default: nothing. */
  readonly networks?: ReadonlyArray<Network>
}

/** What is read of an answer's body, which nobody needs; a connection is polite to read it. */
const mostRead = 16_384
const longestRead = Duration.seconds(1)

const wordsOf = (error: unknown) =>
  Predicate.hasProperty(error, "code") &&
  typeof error.code === "string" &&
  /^[A-Z0-9_]{1,64}$/.test(error.code)
    ? `the connection failed: ${error.code}`
    : "the connection failed"

const failure = (message: string) => new DeliveryFailure({ message })

/** Gives what was looked up and judged before, whatever DNS would say by now. */
const knownAddresses = (addresses: ReadonlyArray<string>): LookupFunction => {
  const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
  const [first = { address: "", family: 4 }] = found
  return (_name, options, callback) =>
    options.all === true ? callback(null, found) : callback(null, first.address, first.family)
}

const open = (url: URL, addresses: ReadonlyArray<string>, { body, headers }: Post) =>
  Effect.sync(() => {
    const { request } = url.protocol === "https:" ? https : http
    const sent = request({
      protocol: url.protocol,
      hostname: hostOf(url),
      port: url.port,
      path: `${url.pathname}${url.search}`,
      method: "POST",
      headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
      // Every message has a connection of its own, to an address that was judged for it.
      agent: false,
      lookup: knownAddresses(addresses),
      maxHeaderSize: 16_384
    })
    // Whatever happens after the answer is of no interest, but would end the process.
    sent.on("error", () => undefined)
    sent.end(body)
    return sent
  })

const answerOf = (sent: http.ClientRequest) =>
  Effect.async<http.IncomingMessage, DeliveryFailure>((resume) => {
    sent.once("response", (answer) => resume(Effect.succeed(answer)))
    sent.once("error", (error) => resume(failure(wordsOf(error))))
    sent.once("close", () => resume(failure("the connection was closed without an answer")))
  })

const drain = (answer: http.IncomingMessage) =>
  Effect.async<void>((resume) => {
    let read = 0
    answer.on("error", () => resume(Effect.void))
    answer.once("close", () => resume(Effect.void))
    answer.on("data", (piece: Buffer) => {
      read += piece.length
      if (read > mostRead) resume(Effect.void)
    })
  }).pipe(Effect.timeoutOption(longestRead))

const send = (url: URL, addresses: ReadonlyArray<string>, post: Post) =>
  Effect.acquireUseRelease(
    open(url, addresses, post),
    (sent) => Effect.flatMap(answerOf(sent), (answer) => Effect.as(drain(answer), answer.statusCode ?? 0)),
    (sent) => Effect.sync(() => sent.destroy())
  )

const make = ({ networks = [] }: ReceiverOptions) =>
  Effect.map(NameResolver, ({ addressesOf }) => {
    const lookUp = (host: string) =>
      /^localhost\.?$/i.test(host) ? Effect.succeed(["127.0.0.1", "::1"]) : addressesOf(host)

    /** The addresses to connect to, none of which is inside. */
    const addressesTo = Effect.fnUntraced(function* (host: string) {
      const found = isAddress(host) ? [host] : yield* lookUp(host)
      const allowed = found.filter((address) => isAllowed(address, networks))
      return allowed.length > 0 ? allowed : yield* failure("its name stands for an address inside")
    })

    const post = Effect.fn("Receiver.post")(
      function* (post: Post) {
        const flaw = flawOf(post.url, networks)
        if (flaw !== undefined) return yield* failure(flaw)
        const url = new URL(post.url)
        return yield* send(url, yield* addressesTo(hostOf(url)), post)
      },
      Effect.catchTag("NameUnknown", () => failure("its name is unknown"))
    )

    return Receiver.of({ post })
  })

/**
 * Receivers on the network. A name is looked up for each message, and only what of its addresses is public, or in one of
 * the networks, is connected to.
 */
export const layer = (options: ReceiverOptions = {}): Layer.Layer<Receiver, never, NameResolver> =>
  Layer.effect(Receiver, make(options))
