import * as Net from "node:net"
import type { Duplex } from "node:stream"
import type { NetworkAttempt, NetworkReason } from "@bulkhead/domain"
import { type Context, Effect, Option, type Scope } from "effect"
import type { Attempts } from "./Attempts.js"
import type { Endpoint } from "./Endpoint.js"
import type { Meter } from "./Meter.js"
import * as MeteredConnection from "./MeteredConnection.js"
import type { NameResolver } from "./NameResolver.js"
import * as NetworkPolicy from "./NetworkPolicy.js"
import { Refused } from "./Refused.js"

/** Somewhere that a program may be connected to. */
export interface Route extends Endpoint {
  readonly protocol: NetworkAttempt["protocol"]
  /** Each was judged. */
  readonly addresses: ReadonlyArray<string>
}

/** Judges what programs ask for, and connects them to nothing else. */
export interface Dialing {
  /** Judges, and asks for the addresses of a name that is allowed. */
  readonly judge: (
    protocol: NetworkAttempt["protocol"],
    asked: string,
    endpoint: Option.Option<Endpoint>
  ) => Effect.Effect<Route, Refused>
  /** Connects to an address that was judged. The connection is cut with the scope. */
  readonly dial: (route: Route) => Effect.Effect<Duplex, Refused, Scope.Scope>
  /** Records that a connection which was allowed is cut after all. */
  readonly refuse: (route: Omit<Route, "addresses">, reason: NetworkReason) => Effect.Effect<Refused>
}

export interface DialingOptions {
  readonly policy: NetworkPolicy.NetworkPolicy
  readonly surroundings: NetworkPolicy.Surroundings
  readonly attempts: Attempts
  readonly meter: Meter
  readonly names: Context.Tag.Service<NameResolver>
}

/** Names of one sandbox that are looked up at once: each lookup has sockets of its own. */
const mostLookups = 16
/** Addresses of a name that are judged: who owns it may give it thousands. */
const mostAddresses = 32
/** Those that are tried, and for how long each is. */
const mostTries = 4
const patience = "10 seconds"

/** Nothing is looked up: the address is one. */
const open = (address: string, port: number) =>
  Effect.async<Net.Socket, NetworkReason>((resume) => {
    const socket = Net.connect({ host: address, port, allowHalfOpen: true, noDelay: true })
    socket.once("connect", () => resume(Effect.succeed(socket)))
    socket.on("error", () => resume(Effect.fail("unreachable")))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutFail({ duration: patience, onTimeout: (): NetworkReason => "unreachable" }))

const connect = (address: string, port: number) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.tap(restore(open(address, port)), (socket) =>
      Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    )
  )

/** Whether nothing is wrong with the policy: the world is then at fault. */
const isAllowed = (reason: NetworkReason) => reason === "unreachable" || reason === "no_such_name"

export const make = Effect.fnUntraced(function* ({
  attempts,
  meter,
  names,
  policy,
  surroundings
}: DialingOptions) {
  const lookups = yield* Effect.makeSemaphore(mostLookups)
  const refused = (
    protocol: NetworkAttempt["protocol"],
    { host, port }: Pick<Endpoint, "host" | "port">,
    reason: NetworkReason
  ) =>
    Effect.as(
      attempts.record({
        ...{ protocol, name: host, port, reason },
        decision: isAllowed(reason) ? "allowed" : "denied"
      }),
      new Refused({ reason, message: NetworkPolicy.wordsOf(policy, host, reason) })
    )

  const addressesOf = Effect.fnUntraced(function* ({ host, kind, port }: Endpoint) {
    if (kind === "address") return [host]
    const flaw = NetworkPolicy.flawOfName(policy, host, port)
    if (flaw !== undefined) return yield* Effect.fail(flaw)
    return yield* names.addressesOf(host).pipe(
      Effect.timeout(patience),
      lookups.withPermits(1),
      Effect.mapBoth({
        onSuccess: (found) => found.slice(0, mostAddresses),
        onFailure: () => "no_such_name" as const
      })
    )
  })

  const judgeEndpoint = Effect.fnUntraced(function* (endpoint: Endpoint) {
    const spent = yield* meter.attempt
    if (spent !== undefined) return yield* Effect.fail(spent)
    const found = yield* addressesOf(endpoint)
    const flaws = found.map((address) => NetworkPolicy.flawOfAddress(policy, surroundings, address, endpoint))
    const addresses = found.filter((_, index) => flaws[index] === undefined)
    return addresses.length > 0 ? addresses : yield* Effect.fail(flaws[0] ?? "no_such_name")
  })

  const judge: Dialing["judge"] = (protocol, asked, endpoint) =>
    Option.match(endpoint, {
      onNone: () => Effect.flatMap(refused(protocol, { host: asked, port: 0 }, "malformed"), Effect.fail),
      onSome: (known) =>
        judgeEndpoint(known).pipe(
          Effect.map((addresses): Route => ({ ...known, protocol, addresses })),
          Effect.catchAll((reason) => Effect.flatMap(refused(protocol, known, reason), Effect.fail))
        )
    })

  const dial: Dialing["dial"] = Effect.fnUntraced(function* (route) {
    const { addresses, host, port, protocol } = route
    const fail = (reason: NetworkReason) => Effect.flatMap(refused(protocol, route, reason), Effect.fail)
    const isOpen = yield* Effect.acquireRelease(meter.open, (isOpen) => (isOpen ? meter.close : Effect.void))
    if (!isOpen) return yield* fail("connection_limit")
    const [address, socket] = yield* Effect.firstSuccessOf(
      addresses
        .slice(0, mostTries)
        .map((each) => Effect.map(connect(each, port), (socket) => [each, socket] as const))
    ).pipe(Effect.catchAll(fail))
    yield* attempts.record({ protocol, name: host, port, decision: "allowed", address })
    return yield* MeteredConnection.make(socket, meter, Effect.asVoid(refused(protocol, route, "byte_limit")))
  })

  const dialing: Dialing = {
    judge,
    dial,
    refuse: (route, reason) => refused(route.protocol, route, reason)
  }
  return dialing
})
