import * as ChildProcess from "node:child_process"
import * as Net from "node:net"
import { Deferred, Effect, Option, type Scope } from "effect"
import * as Frames from "../Frames.js"
import * as Held from "../Held.js"
import { IsolationUnavailable, LaunchFailed } from "../HostErrors.js"
import { Death } from "./Death.js"
import type { KernelUids } from "./GuestUser.js"

const { LauncherFrame } = Frames

/** A sandbox's namespaces with the agent in them. */
export interface Launched {
  /** Its number among the launcher's sandboxes, which its cgroups are named by. */
  readonly id: number
  /** The line to the agent. */
  readonly socket: Net.Socket
  /** Done once the kernel has ended every process of the sandbox. */
  readonly death: Death
}

/** The one process that starts sandboxes and proves their deaths. */
export interface Launcher {
  /** Starts a sandbox in a slot that no living sandbox has; it is killed, and known dead, when the scope has closed. */
  readonly launch: (slot: number) => Effect.Effect<Launched, LaunchFailed, Scope.Scope>
  /** Done when the launcher itself is gone, and every sandbox with it. */
  readonly gone: Deferred.Deferred<void>
}

interface Flight {
  readonly death: Death
  socket?: Net.Socket
  onArrival: (socket: Net.Socket) => void
}

/** What the launcher takes on its command line. */
export interface LauncherSetup {
  /** The guest program. */
  readonly program: string
  readonly uids: KernelUids
  readonly runDirectory: string
  /** Where the host is not root: bwrap and its arguments. */
  readonly bubblewrap: Option.Option<ReadonlyArray<string>>
}

const complete = <A>(deferred: Deferred.Deferred<A>, value: A) =>
  Deferred.unsafeDone(deferred, Effect.succeed(value))

/** Starts the launcher; when the scope closes it ends, and with it whatever sandbox is left. */
export const make = Effect.fn("Launcher.make")(function* (setup: LauncherSetup) {
  const flights = new Map<number, Flight>()
  const socketPath = `${setup.runDirectory}/control/agents.sock`
  yield* listen(socketPath, flights)
  const child = yield* run(setup, socketPath)
  const ready = yield* Deferred.make<void>()
  const gone = yield* Deferred.make<void>()
  const said: Array<string> = []
  child.stderr.on("data", (bytes: Buffer) => said.push(bytes.toString()))
  child.stdout.on(
    "data",
    Frames.decoder((type, id, payload) => {
      if (type === LauncherFrame.ready) complete(ready, undefined)
      const flight = flights.get(id)
      if (type === LauncherFrame.died && flight !== undefined) {
        flights.delete(id)
        flight.death.prove(payload.toString() || "it ended without a word")
      }
    })
  )
  // It has died, and what it was told is lost: its end tells all.
  child.stdin.on("error", () => {})
  child.once("close", () => {
    complete(gone, undefined)
    for (const flight of flights.values()) {
      flight.socket?.destroy()
      flight.death.prove("the launcher is gone")
    }
    flights.clear()
  })
  const failed = Effect.flatMap(
    Deferred.await(gone),
    () =>
      new IsolationUnavailable({
        reason: `the launcher ended: ${said.join("").trim()}`,
        remedy: "see the reason"
      })
  )
  yield* Effect.raceFirst(Deferred.await(ready), failed)
  let lastId = 0
  const launch = (slot: number) => {
    const id = ++lastId
    return Held.acquireRelease(
      Effect.sync((): Flight => {
        const flight: Flight = { death: new Death(), onArrival: (socket) => socket.destroy() }
        if (!child.stdin.writable) flight.death.prove("the launcher is gone")
        else {
          flights.set(id, flight)
          child.stdin.write(Frames.encodeNumber(LauncherFrame.spawn, id, slot))
        }
        return flight
      }),
      (flight) =>
        Effect.suspend(() => {
          if (flights.has(id)) child.stdin.write(Frames.encodeNumber(LauncherFrame.kill, id, 0))
          return flight.death.proven
        })
    ).pipe(
      Effect.flatMap((flight) =>
        Effect.map(arrivalOf(flight), (socket): Launched => ({ id, socket, death: flight.death }))
      )
    )
  }
  return { launch, gone } satisfies Launcher
})

const arrivalOf = (flight: Flight) =>
  Effect.async<Net.Socket, LaunchFailed>((resume) => {
    flight.onArrival = (socket) => resume(Effect.succeed(socket))
    flight.death.tell((said) => resume(Effect.failSync(() => new LaunchFailed({ reason: said.trim() }))))
  })

/** The launcher connects each agent's socket and first writes the sandbox's number on it. */
const listen = (path: string, flights: Map<number, Flight>) =>
  Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const server = Net.createServer((socket) => {
        socket.on("error", () => socket.destroy())
        socket.once("readable", () => {
          const greeting: Buffer | null = socket.read(4)
          const flight = greeting === null ? undefined : flights.get(greeting.readUInt32BE(0))
          if (flight === undefined) return socket.destroy()
          flight.socket = socket
          flight.onArrival(socket)
        })
      })
      server.listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

// Its own session: a terminal's Ctrl-C is for the host, which then ends its sandboxes in order.
const run = (setup: LauncherSetup, socketPath: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(
        setup.program,
        [
          ...["launch", setup.uids, socketPath, setup.runDirectory],
          ...Option.getOrElse(setup.bubblewrap, () => [])
        ],
        { stdio: "pipe", detached: true, cwd: "/", env: {} }
      )
    ).pipe(Effect.tap((child) => Effect.sync(() => child.on("error", () => child.kill())))),
    (child) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
          return resume(Effect.void)
        child.once("close", () => resume(Effect.void))
        child.stdin.end()
      })
  )
