import * as ChildProcess from "node:child_process"
import * as Net from "node:net"
import { FileSystem } from "@effect/platform"
import { Data, Deferred, Duration, Effect, Option, Schedule, type Scope } from "effect"
import * as Frames from "../Frames.js"
import { LauncherDied, LauncherNotStarted, LaunchFailed } from "../HostErrors.js"
import type { KernelUids } from "../Isolation/GuestUser.js"

const { LauncherFrame } = Frames

/** What ended a sandbox. */
export type Ending = Data.TaggedEnum<{
  /** It died by itself or was killed; `said` is what it wrote on its standard error. */
  Alone: { readonly said: string }
  /** Its launcher died, and so it did. */
  WithLauncher: Record<never, never>
}>
export const Ending = Data.taggedEnum<Ending>()

/** A sandbox's namespaces with the agent in them. */
export interface Launched {
  /** Its number among the host's sandboxes, which its cgroups are named by. */
  readonly id: number
  /** The connection to the agent. */
  readonly socket: Net.Socket
  /** A directory of its own, which must hold the socket `gate`, and what starts its relay, once its agent is ready. */
  readonly relay: {
    readonly directory: string
    readonly start: (mostConnections: number) => Effect.Effect<void>
  }
  /** Known once it has ended: from the launcher, which has waited for it, or from the launcher's own death. */
  readonly ending: Effect.Effect<Ending>
}

/** How a launcher ended. */
export interface Death {
  /** Names no path: it is told to everyone. */
  readonly reason: string
  /** What it wrote on its standard error; for operators. */
  readonly said: string
}

/** A launcher's end, with the sandboxes that had not ended before. */
interface Closing extends Death {
  readonly ids: ReadonlyArray<number>
}

/** What a launcher needs to know. */
export interface LauncherSetup {
  /** The guest program. */
  readonly program: string
  readonly uids: KernelUids
  /** The host's own directory; each launcher has one below it. */
  readonly runDirectory: string
  /** The text of `LaunchPlan`. */
  readonly plan: string
  /** Where the host is not root: bwrap and its arguments. */
  readonly bubblewrap: Option.Option<ReadonlyArray<string>>
  /** Longest time to get ready, in milliseconds. */
  readonly startLimit: number
  /** Ends what is left in the cgroups of these sandboxes, and removes them. */
  readonly clear: (ids: ReadonlyArray<number>) => Effect.Effect<void>
}

/** One process that starts sandboxes and proves their deaths. When it dies, they die with it. */
export interface LauncherProcess {
  /** Starts a sandbox in a slot. It is killed, and known dead, when the scope has closed. */
  readonly launch: (
    id: number,
    slot: number
  ) => Effect.Effect<Launched, LaunchFailed | LauncherDied, Scope.Scope>
  /** Waits until it is dead. */
  readonly ended: Effect.Effect<Death>
  readonly isAlive: Effect.Effect<boolean>
}

/** A sandbox from the request for it to its death. */
interface Launch {
  readonly connected: Deferred.Deferred<Net.Socket, LaunchFailed | LauncherDied>
  readonly ending: Deferred.Deferred<Ending>
  socket?: Net.Socket
}

const makeLaunch = Effect.map(
  Effect.all([Deferred.make<Net.Socket, LaunchFailed | LauncherDied>(), Deferred.make<Ending>()]),
  ([connected, ending]): Launch => ({ connected, ending })
)

const onConnected = (launch: Launch, socket: Net.Socket): void => {
  launch.socket = socket
  Deferred.unsafeDone(launch.connected, Effect.succeed(socket))
}

/** What a sandbox's end is to who waits for its start. */
export const failureOf = Ending.$match({
  Alone: ({ said }): LaunchFailed | LauncherDied => new LaunchFailed({ reason: said.trim() }),
  WithLauncher: () => new LauncherDied()
})

const onEnding = ({ connected, ending }: Launch, how: Ending): void => {
  Deferred.unsafeDone(
    connected,
    Effect.failSync(() => failureOf(how))
  )
  Deferred.unsafeDone(ending, Effect.succeed(how))
}

/** The requests that wait for a launcher's word, by their number. */
type Launches = Map<number, Launch>

/** With a launcher die all of its sandboxes. */
const lose = (launches: Launches): void => {
  for (const launch of launches.values()) {
    launch.socket?.destroy()
    onEnding(launch, Ending.WithLauncher())
  }
  launches.clear()
}

const notStarted = (reason: string, said = "") => new LauncherNotStarted({ reason, said })

/** The launcher connects each agent's socket, and writes the sandbox's number on it first. */
const listen = (path: string, launches: Launches) =>
  Effect.acquireRelease(
    Effect.async<Net.Server, LauncherNotStarted>((resume) => {
      const server = Net.createServer((socket) => {
        socket.on("error", () => socket.destroy())
        socket.once("readable", () => {
          const greeting: Buffer | null = socket.read(4)
          const launch = greeting === null ? undefined : launches.get(greeting.readUInt32BE(0))
          if (launch === undefined) socket.destroy()
          else onConnected(launch, socket)
        })
      })
      server.once("error", ({ message }) => resume(notStarted("its socket cannot be made", message)))
      server.listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

/** The directory of one launcher, with its plan; what the launcher makes there goes with it. */
const makeDirectory = Effect.fnUntraced(function* ({ plan, runDirectory }: LauncherSetup, number: number) {
  const fs = yield* FileSystem.FileSystem
  const directory = `${runDirectory}/launcher-${number}`
  yield* Effect.acquireRelease(fs.makeDirectory(directory), () =>
    Effect.ignore(fs.remove(directory, { recursive: true, force: true }))
  )
  yield* fs.writeFileString(`${directory}/plan`, plan)
  return directory
})

interface Running {
  readonly child: ChildProcess.ChildProcessWithoutNullStreams
  readonly ready: Effect.Effect<void>
  /** Waits for its end. */
  readonly closed: Effect.Effect<Closing>
  readonly isAlive: Effect.Effect<boolean>
}

const exitWords = (code: number | null, signal: string | null) =>
  signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`

/** Starts the process and hears what it says. Where it cannot be run, it has `closed` at once. */
const spawn = Effect.fnUntraced(function* (
  { bubblewrap, program, uids }: LauncherSetup,
  socketPath: string,
  directory: string,
  launches: Launches
) {
  const ready = yield* Deferred.make<void>()
  const closed = yield* Deferred.make<Closing>()
  const child = ChildProcess.spawn(
    program,
    ["launch", uids, socketPath, directory, ...Option.getOrElse(bubblewrap, () => [])],
    // In a session of its own: a terminal's Ctrl-C is for the host, which ends its sandboxes in order.
    { stdio: "pipe", detached: true, cwd: "/", env: {} }
  )
  const running: Running = {
    child,
    ready: Deferred.await(ready),
    closed: Deferred.await(closed),
    isAlive: Effect.map(Deferred.isDone(closed), (isDone) => !isDone)
  }
  child.once("error", ({ code, message }: NodeJS.ErrnoException) =>
    Deferred.unsafeDone(
      closed,
      Effect.succeed({ reason: `it cannot be run: ${code ?? "its start failed"}`, said: message, ids: [] })
    )
  )
  if (child.pid === undefined) return running
  const errors: Array<Buffer> = []
  child.stderr.on("data", (bytes: Buffer) => errors.push(bytes))
  child.stdout.on(
    "data",
    Frames.decoder((type, id, payload) => {
      if (type === LauncherFrame.ready) return Deferred.unsafeDone(ready, Effect.void)
      const launch = launches.get(id)
      if (type !== LauncherFrame.died || launch === undefined) return
      launches.delete(id)
      onEnding(launch, Ending.Alone({ said: payload.toString() || "it ended without a word" }))
    })
  )
  child.once("close", (code, signal) => {
    const ids = [...launches.keys()]
    lose(launches)
    const said = Buffer.concat(errors).toString().trim()
    Deferred.unsafeDone(closed, Effect.succeed({ reason: exitWords(code, signal), said, ids }))
  })
  // What is written to a launcher that has just died is lost: its end tells all.
  child.stdin.on("error", () => {})
  return running
})

/** The launcher's own limit for its sandboxes' deaths, and something on top. */
const farewell = Duration.seconds(12)

/** Ends it in order, which ends its sandboxes first; one that does not end is killed. */
const end = ({ child, closed }: Running) =>
  Effect.sync(() => void child.stdin?.end()).pipe(
    Effect.zipRight(Effect.timeoutOption(Effect.interruptible(closed), farewell)),
    Effect.flatMap((how) => (Option.isSome(how) ? Effect.void : kill({ child, closed })))
  )

const kill = ({ child, closed }: Pick<Running, "child" | "closed">) =>
  Effect.zipRight(
    Effect.sync(() => child.kill("SIGKILL")),
    closed
  )

/** The number of a question that is no sandbox, and a slot that there is not: the launcher refuses it at once. */
const QUESTION = 0
const NO_SLOT = 0xffffffff

const pulse = Duration.seconds(2)
/** Looks for an answer: some, since to a host that was itself stopped a single one would seem late. */
const looks = 5

/** Returns when it has not answered for ten seconds: it was stopped, or hangs. */
const untilSilent = (ask: (id: number, slot: number) => Effect.Effect<Launch>) =>
  ask(QUESTION, NO_SLOT).pipe(
    Effect.flatMap(({ ending }) =>
      Effect.repeat(Effect.timeoutOption(Deferred.await(ending), pulse), {
        until: Option.isSome,
        times: looks - 1
      })
    ),
    Effect.repeat({ schedule: Schedule.spaced(pulse), until: Option.isNone })
  )

const silence: Death = { reason: "it did not answer for 10 s, and was killed", said: "" }

/** Starts a launcher. It ends with the scope, and with it every sandbox that is left. */
export const make = Effect.fn("LauncherProcess.make")(
  function* (setup: LauncherSetup, number: number) {
    const launches: Launches = new Map()
    const directory = yield* makeDirectory(setup, number)
    const control = `${setup.runDirectory}/control`
    const socketPath = `${control}/agents-${number}.sock`
    yield* listen(socketPath, launches)
    const running = yield* Effect.acquireRelease(spawn(setup, socketPath, directory, launches), end)
    const { child, closed, isAlive, ready } = running
    const isReady = yield* Effect.raceFirst(
      Effect.asSome(Effect.flatMap(closed, ({ reason, said }) => notStarted(reason, said))),
      Effect.timeoutOption(ready, setup.startLimit)
    )
    if (Option.isNone(isReady)) {
      yield* kill(running)
      return yield* notStarted(`it said nothing for ${setup.startLimit} ms`)
    }

    const ask = Effect.fnUntraced(function* (id: number, slot: number) {
      const launch = yield* makeLaunch
      if (yield* isAlive) {
        launches.set(id, launch)
        child.stdin.write(Frames.encodeNumber(LauncherFrame.spawn, id, slot))
      } else onEnding(launch, Ending.WithLauncher())
      return launch
    })

    const ended = yield* Deferred.make<Death>()
    const watch = Effect.raceFirst(
      Effect.asSome<Death, never, never>(closed),
      Effect.as(untilSilent(ask), Option.none<Death>())
    ).pipe(
      Effect.flatMap(
        Option.match({ onNone: () => Effect.as(kill(running), silence), onSome: Effect.succeed })
      )
    )
    yield* Effect.forkScoped(Effect.interruptible(Effect.intoDeferred(watch, ended)))

    // A daemon, since who waits for a sandbox's death may do so for longer than the launcher's scope is open.
    const cleared = yield* Effect.forkDaemon(Effect.flatMap(closed, ({ ids }) => setup.clear(ids)))

    const killSandbox = (id: number, { ending }: Launch) =>
      Effect.gen(function* () {
        if (launches.has(id)) child.stdin.write(Frames.encodeNumber(LauncherFrame.kill, id, 0))
        const how = yield* Deferred.await(ending)
        if (how._tag === "WithLauncher") yield* cleared.await
      })
    const launch = Effect.fnUntraced(function* (id: number, slot: number) {
      const { connected, ending } = yield* Effect.acquireRelease(ask(id, slot), (asked) =>
        killSandbox(id, asked)
      )
      const socket = yield* Deferred.await(connected)
      return {
        ...{ id, socket, ending: Deferred.await(ending) },
        relay: {
          directory: `${control}/gate-${id}`,
          start: (most) =>
            Effect.sync(() => void child.stdin.write(Frames.encodeNumber(LauncherFrame.relay, id, most)))
        }
      } satisfies Launched
    })
    return { launch, ended: Deferred.await(ended), isAlive } satisfies LauncherProcess
  },
  Effect.catchTags({
    SystemError: ({ message }) => notStarted("its directory cannot be made", message),
    BadArgument: ({ message }) => notStarted("its directory cannot be made", message)
  })
)
