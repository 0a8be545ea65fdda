import * as Net from "node:net"
import { Gate, NameResolver, type NetworkPolicy, SecretInterceptor } from "@bulkhead/egress"
import { FileSystem } from "@effect/platform"
import { Deferred, Effect, Queue, Schedule, type Scope } from "effect"
import type { SecretsByHost } from "../ControlPlane/SecretRules.js"
import { LaunchFailed } from "../HostErrors.js"
import { type HostNetwork, type HostOptions, mostConnections, networkDefaults } from "../HostOptions.js"
import type { Launched } from "../Launcher/LauncherProcess.js"
import * as SecretGate from "./SecretGate.js"

/** Gives sandboxes their ways to the world. */
export interface GuestNetworks {
  /** What the operator lets sandboxes have. `undefined`: nothing at all. */
  readonly options: HostNetwork | undefined
  /** Opens a gate for a sandbox whose agent is ready, and has programs reach it. With the scope, it closes. */
  readonly open: (
    launched: Pick<Launched, "relay">,
    policy: NetworkPolicy,
    secrets: SecretsByHost
  ) => Effect.Effect<OpenNetwork, LaunchFailed, Scope.Scope>
}

/** A sandbox's way to the world. */
export interface OpenNetwork {
  readonly gate: Gate.Gate
  /** What its programs must trust so that they can use their secrets. Absent: they have none. */
  readonly trust?: SecretGate.Trust
}

/** Where programs of a sandbox find the gate (relay.c). */
export const PROXY = "http://127.0.0.1:3128"

/** What tells programs of it: each name is what some clients read, and others do not. */
export const environment: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["http_proxy", "https_proxy", "all_proxy"].flatMap((name) => [
      [name, PROXY],
      [name.toUpperCase(), PROXY]
    ])
  ),
  no_proxy: "localhost,127.0.0.1,::1",
  NO_PROXY: "localhost,127.0.0.1,::1",
  NODE_USE_ENV_PROXY: "1",
  // What policy refuses stays refused: both would try it again for many seconds.
  PIP_RETRIES: "2",
  NPM_CONFIG_FETCH_RETRY_MINTIMEOUT: "500",
  NPM_CONFIG_FETCH_RETRY_MAXTIMEOUT: "2000"
}

const failed = (reason: string) => new LaunchFailed({ reason: `the relay of the network: ${reason}` })

/** What the relay says on its first connection: NUL once programs can reach it, or why they cannot. */
const onLifeline = (line: Net.Socket, ready: Deferred.Deferred<void, LaunchFailed>): void => {
  line.on("error", () => line.destroy())
  line.once("end", () => line.destroy())
  line.once("data", (said: Buffer) =>
    Deferred.unsafeDone(ready, said[0] === 0 ? Effect.void : failed(said.toString()))
  )
  line.once("close", () => Deferred.unsafeDone(ready, failed("it ended")))
}

interface Listening {
  readonly server: Net.Server
  lifeline: Net.Socket | undefined
}

/** Where the relay connects to: first with its lifeline, then with each connection of a program. */
const listen = (
  path: string,
  ready: Deferred.Deferred<void, LaunchFailed>,
  gate: Gate.Gate,
  lost: Queue.Enqueue<void>
) =>
  Effect.acquireRelease(
    Effect.async<Listening, LaunchFailed>((resume) => {
      const made: Listening = {
        lifeline: undefined,
        server: Net.createServer({ allowHalfOpen: true }, (connection) => {
          if (made.lifeline !== undefined) return gate.serve(connection)
          made.lifeline = connection
          onLifeline(connection, ready)
          connection.once("close", () => {
            made.lifeline = undefined
            lost.unsafeOffer(undefined)
          })
        })
      }
      made.server.once("error", ({ message }) => resume(failed(message)))
      // Nobody but root gets into the directory above; the relay, who is somebody else, sees this one alone.
      made.server.listen({ path, writableAll: true }, () => resume(Effect.succeed(made)))
    }),
    ({ lifeline, server }) =>
      Effect.sync(() => {
        lifeline?.destroy()
        server.close()
      })
  )

/** How often a relay that has died, such as for want of memory, has another one after it. */
const mostRestarts = 20
/** The launcher starts none as long as it has not heard of the last one's end. */
const untilHeard = Schedule.intersect(Schedule.spaced("100 millis"), Schedule.recurs(50))

const restart = (start: Effect.Effect<void>, listening: Listening, lost: Queue.Dequeue<void>) =>
  Queue.take(lost).pipe(
    Effect.zipRight(
      Effect.repeat(start, { schedule: untilHeard, until: () => listening.lifeline !== undefined })
    ),
    Effect.repeatN(mostRestarts - 1)
  )

const makeDirectory = (fs: FileSystem.FileSystem, directory: string) =>
  Effect.acquireRelease(
    Effect.mapError(fs.makeDirectory(directory, { mode: 0o755 }), ({ message }) => failed(message)),
    () => Effect.ignore(fs.remove(directory, { recursive: true, force: true }))
  )

/** `ownPort` is the host's: no sandbox reaches it. */
export const make = Effect.fn("GuestNetwork.make")(function* (
  { network, startLimit }: HostOptions,
  ownPort: number
) {
  const fs = yield* FileSystem.FileSystem
  const options = network === undefined ? undefined : { ...networkDefaults, ...network }
  const limits = options ?? networkDefaults
  const names = limits.names ?? (yield* Effect.provide(NameResolver, NameResolver.layer))
  const trust = yield* Effect.cached(Effect.sync(() => SecretInterceptor.trusting(limits.authorities)))
  const surroundings = { private: limits.private, ownPorts: [ownPort] }

  const open: GuestNetworks["open"] = Effect.fnUntraced(function* ({ relay }, policy, secrets) {
    yield* makeDirectory(fs, relay.directory)
    const attempts = yield* Deferred.make<Gate.Gate["attempts"]>()
    const onFirstUse = (secret: string, name: string, port: number) =>
      Effect.flatMap(Deferred.await(attempts), ({ record }) =>
        record({ protocol: "connect", name, port, decision: "allowed", secret })
      )
    const secretGate =
      secrets.size === 0
        ? undefined
        : yield* SecretGate.make(secrets, limits.authorities, yield* trust, onFirstUse)
    const gate = yield* Effect.provideService(
      Gate.make({ policy, surroundings, limits, intercept: secretGate?.intercept }),
      NameResolver,
      names
    )
    yield* Deferred.succeed(attempts, gate.attempts)
    const ready = yield* Deferred.make<void, LaunchFailed>()
    const lost = yield* Queue.unbounded<void>()
    const listening = yield* listen(`${relay.directory}/gate`, ready, gate, lost)
    const start = relay.start(mostConnections(limits))
    yield* start
    yield* Effect.timeoutFail(Deferred.await(ready), {
      duration: startLimit,
      onTimeout: () => failed(`it said nothing for ${startLimit} ms`)
    })
    yield* Effect.forkScoped(restart(start, listening, lost))
    return { gate, ...(secretGate && { trust: secretGate.trust }) }
  })
  return { options, open } satisfies GuestNetworks
})
