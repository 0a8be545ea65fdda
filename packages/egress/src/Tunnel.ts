import type { Duplex } from "node:stream"
import type { NetworkReason } from "@bulkhead/domain"
import { Effect, Option } from "effect"
import type { Dialing, Route } from "./Dialing.js"
import type { Intercept } from "./Interceptor.js"
import { isDenied, type NetworkPolicy } from "./NetworkPolicy.js"
import * as Opening from "./Opening.js"
import type { Refused } from "./Refused.js"

export interface TunnelOptions {
  readonly policy: NetworkPolicy
  readonly dialing: Dialing
  readonly intercept?: Intercept | undefined
  /** Serves a connection that turned out to be HTTP. Done when it is over. */
  readonly serveHttp: (client: Duplex, route: Route) => Effect.Effect<void>
}

/** On these a program that asks for a name may speak nothing but HTTP or TLS, which both say the name again. */
const webPorts: ReadonlyArray<number> = [80, 443]
const HTTPS = 443

/** A fatal alert of TLS: unrecognized_name. */
const unrecognizedName = Buffer.from([21, 3, 1, 0, 2, 2, 112])

const copy = (from: Duplex, to: Duplex) => Effect.sync(() => void from.pipe(to))

/** Done when both have ended, or one was cut; then both are. */
const over = (client: Duplex, server: Duplex) =>
  Effect.async<void>((resume) => {
    const look = () => {
      const isDone = (each: Duplex) => each.destroyed || (each.readableEnded && each.writableFinished)
      if (client.destroyed || server.destroyed || (isDone(client) && isDone(server))) resume(Effect.void)
    }
    for (const each of [client, server])
      for (const event of ["end", "finish", "error", "close"]) each.on(event, look)
    look()
  })

/** What is wrong with what a program says first, after it was connected to what it had asked for. */
const flawOf = (
  policy: NetworkPolicy,
  { host, kind, port }: Route,
  opening: Opening.Opening
): NetworkReason | undefined =>
  Opening.Opening.$match(opening, {
    Partial: () => "malformed" as const,
    Malformed: () => "malformed" as const,
    Tls: ({ serverName }) => {
      const name = Option.getOrUndefined(serverName)
      if (kind === "name") return name === host ? undefined : "tls_name_mismatch"
      return name !== undefined && isDenied(policy, name, port) ? "denied" : undefined
    },
    Http: () => (kind === "name" && port === HTTPS ? "tls_name_mismatch" : undefined),
    Other: () => (kind === "name" && webPorts.includes(port) ? "tls_name_mismatch" : undefined)
  })

/** What becomes of a connection once it is known what the program says first. */
type Outcome = "carried" | "http" | "cut"

/** Holds what the program says to what it has asked for. */
const hold = Effect.fnUntraced(function* ({ dialing, policy }: TunnelOptions, client: Duplex, route: Route) {
  const { bytes, opening } = yield* Opening.read(client)
  const flaw = flawOf(policy, route, opening)
  if (flaw !== undefined) {
    yield* dialing.refuse(route, flaw)
    yield* Effect.sync(() => client.end(opening._tag === "Tls" ? unrecognizedName : undefined))
    return "cut"
  }
  yield* Effect.sync(() => void (bytes.length > 0 && client.unshift(bytes)))
  return opening._tag === "Http" ? "http" : "carried"
})

const carry = Effect.fnUntraced(function* (
  options: TunnelOptions,
  client: Duplex,
  route: Route,
  accept: Effect.Effect<void>
) {
  const server = yield* options.dialing.dial(route)
  yield* accept
  // Some servers speak first; on the ports of the web none does.
  const isEager = !(route.kind === "name" && webPorts.includes(route.port))
  if (isEager) yield* copy(server, client)
  const outcome: Outcome = yield* hold(options, client, route)
  if (outcome !== "carried") {
    yield* Effect.sync(() => void server.unpipe(client))
    return outcome
  }
  if (!isEager) yield* copy(server, client)
  yield* copy(client, server)
  yield* over(client, server)
  // The server's end was passed on; if it was cut, the program's side is too.
  yield* Effect.sync(() => (client.writableEnded ? undefined : client.destroy()))
  return outcome
}, Effect.scoped)

/**
 * Carries what a program and a server say once `accept` has told the program that it is connected. Fails where it
 * cannot be; then the program has been told nothing yet.
 */
export const run = (
  options: TunnelOptions,
  client: Duplex,
  route: Route,
  accept: Effect.Effect<void>
): Effect.Effect<void, Refused> =>
  Effect.gen(function* () {
    const interceptor = route.kind === "name" ? options.intercept?.(route.host, route.port) : undefined
    if (interceptor !== undefined && Option.isSome(interceptor)) {
      yield* accept
      yield* Effect.scoped(interceptor.value({ client, dial: options.dialing.dial(route) }))
      return yield* Effect.sync(() => (client.writableEnded ? undefined : client.destroy()))
    }
    const outcome = yield* carry(options, client, route, accept)
    if (outcome === "http") yield* options.serveHttp(client, route)
  }).pipe(Effect.catchTag("ConnectionEnded", () => Effect.sync(() => void client.destroy())))
