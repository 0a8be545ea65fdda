import * as ChildProcess from "node:child_process"
import * as Net from "node:net"
import { Deferred, Effect, Option, Scope } from "effect"
import * as Frames from "../Frames.js"
import { IsolationUnavailable, LaunchFailed, type NoFreeSlot } from "../HostErrors.js"
import type { KernelUids } from "./GuestUser.js"
import * as Slots from "./Slots.js"

const { LauncherFrame } = Frames

/** A sandbox's namespaces with the agent in them. */
export interface Launched {
  /** Its number among the launcher's sandboxes, which its cgroups are named by. */
  readonly id: number
  /** The connection to the agent. */
  readonly socket: Net.Socket
  /** Done once the kernel has ended every process of the sandbox; tells what was said on standard error. */
  readonly lastWords: Effect.Effect<string>
}

/** The one process that starts sandboxes and proves their deaths. */
export interface Launcher {
  /** Starts a sandbox. It is killed, and known dead, when the scope has closed. */
  readonly launch: Effect.Effect<Launched, LaunchFailed | NoFreeSlot, Scope.Scope>
}

/** What the launcher needs to know; all but the number of sandboxes goes on its command line. */
export interface LauncherSetup {
  readonly maxSandboxes: number
  /** The guest program. */
  readonly program: string
  readonly uids: KernelUids
  readonly runDirectory: string
  /** Where the host is not root: bwrap and its arguments. */
  readonly bubblewrap: Option.Option<ReadonlyArray<string>>
}

/** A sandbox from the request for it to its death. */
interface Launch {
  readonly connected: Deferred.Deferred<Net.Socket, LaunchFailed>
  readonly lastWords: Deferred.Deferred<string>
  socket?: Net.Socket
}

const onConnected = (launch: Launch, socket: Net.Socket): void => {
  launch.socket = socket
  Deferred.unsafeDone(launch.connected, Effect.succeed(socket))
}

const onDeath = ({ connected, lastWords }: Launch, said: string): void => {
  Deferred.unsafeDone(
    connected,
    Effect.failSync(() => new LaunchFailed({ reason: said.trim() }))
  )
  Deferred.unsafeDone(lastWords, Effect.succeed(said))
}

type Launches = Map<number, Launch>

/** The launcher connects each agent's socket, and writes the sandbox's number on it first. */
const listen = (path: string, launches: Launches) =>
  Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const server = Net.createServer((socket) => {
        socket.on("error", () => socket.destroy())
        socket.once("readable", () => {
          const greeting: Buffer | null = socket.read(4)
          const launch = greeting === null ? undefined : launches.get(greeting.readUInt32BE(0))
          if (launch === undefined) socket.destroy()
          else onConnected(launch, socket)
        })
      })
      server.listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

const spawn = (setup: LauncherSetup, socketPath: string) => {
  const child = ChildProcess.spawn(
    setup.program,
    [
      ...["launch", setup.uids, socketPath, setup.runDirectory],
      ...Option.getOrElse(setup.bubblewrap, () => [])
    ],
    // In a session of its own: a terminal's Ctrl-C is for the host, which ends its sandboxes in order.
    { stdio: "pipe", detached: true, cwd: "/", env: {} }
  )
  child.on("error", () => child.kill())
  return child
}

const untilClosed = (child: ChildProcess.ChildProcess) =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
      return resume(Effect.void)
    child.once("close", () => resume(Effect.void))
    child.stdin?.end()
  })

/** Hears what the launcher says. Done when it is ready; fails when it ends before that. */
const hear = Effect.fnUntraced(function* (
  child: ChildProcess.ChildProcessWithoutNullStreams,
  launches: Launches
) {
  const ready = yield* Deferred.make<void, IsolationUnavailable>()
  const errors: Array<Buffer> = []
  child.stderr.on("data", (bytes: Buffer) => errors.push(bytes))
  child.stdout.on(
    "data",
    Frames.decoder((type, id, payload) => {
      if (type === LauncherFrame.ready) return Deferred.unsafeDone(ready, Effect.void)
      const launch = launches.get(id)
      if (type !== LauncherFrame.died || launch === undefined) return
      launches.delete(id)
      onDeath(launch, payload.toString() || "it ended without a word")
    })
  )
  child.once("close", () => {
    const reason = `the launcher ended: ${Buffer.concat(errors).toString().trim()}`
    Deferred.unsafeDone(ready, Effect.fail(new IsolationUnavailable({ reason, remedy: "see the reason" })))
    for (const launch of launches.values()) {
      launch.socket?.destroy()
      onDeath(launch, "the launcher is gone")
    }
    launches.clear()
  })
  // What is written to a launcher that has just died is lost: its end tells all.
  child.stdin.on("error", () => {})
  yield* Deferred.await(ready)
})

/** Starts the launcher. It ends with the scope, and with it every sandbox that is left. */
export const make = Effect.fn("Launcher.make")(function* (setup: LauncherSetup) {
  const launches: Launches = new Map()
  const socketPath = `${setup.runDirectory}/control/agents.sock`
  yield* listen(socketPath, launches)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(setup, socketPath)),
    untilClosed
  )
  yield* hear(child, launches)
  const slots = yield* Slots.make(setup.maxSandboxes)
  let lastId = 0
  const request = Effect.gen(function* () {
    const scope = yield* Effect.scope
    const slot = yield* slots.take
    const id = ++lastId
    const connected = yield* Deferred.make<Net.Socket, LaunchFailed>()
    const lastWords = yield* Deferred.make<string>()
    const launch: Launch = { connected, lastWords }
    if (!child.stdin.writable) onDeath(launch, "the launcher is gone")
    else {
      launches.set(id, launch)
      child.stdin.write(Frames.encodeNumber(LauncherFrame.spawn, id, slot))
    }
    const kill = Effect.suspend(() => {
      if (launches.has(id)) child.stdin.write(Frames.encodeNumber(LauncherFrame.kill, id, 0))
      return Effect.zipRight(Deferred.await(lastWords), slots.giveBack(slot))
    })
    yield* Scope.addFinalizer(scope, kill)
    return { connected, id, lastWords: Deferred.await(lastWords) }
  })
  const launch = Effect.gen(function* () {
    const { connected, ...launched } = yield* Effect.uninterruptible(request)
    return { ...launched, socket: yield* Deferred.await(connected) }
  })
  return { launch } satisfies Launcher
})
