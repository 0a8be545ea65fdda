import type * as Net from "node:net"
import { Deferred, Effect, Option, Schema } from "effect"
import * as Frames from "../Frames.js"
import { type LauncherDied, LaunchFailed, launcherDiedBefore, RpcCode, RpcRefused } from "../HostErrors.js"
import { Ending, failureOf, type Launched } from "../Launcher/LauncherProcess.js"
import * as AgentProcess from "./AgentProcess.js"

const { AgentFrame } = Frames

/** A process to start, or a file operation, which the agent runs as one. None of the strings may hold a NUL. */
export interface StartRequest {
  readonly kind: "program" | "file"
  readonly user: string
  readonly cwd: string
  /** Whether it gets a pipe for its standard input. */
  readonly input: boolean
  readonly argv: ReadonlyArray<string>
  readonly env: ReadonlyArray<string>
}

/** What a sandbox uses, in the agent's order: bytes of disk in all and used, CPU microseconds, resident bytes. */
export type Measured = ReadonlyArray<number>

/** The connection to the agent of one sandbox. */
export interface AgentSession {
  /** Done when the agent takes requests. Fails when its sandbox ends before that, or it says nothing for too long. */
  readonly ready: Effect.Effect<void, LaunchFailed | LauncherDied>
  /** A number for a process to be started, and what will be heard of it. */
  readonly register: Effect.Effect<readonly [id: number, process: AgentProcess.AgentProcess]>
  /** Asks for the start of a process. */
  readonly start: (id: number, request: StartRequest) => Effect.Effect<void>
  readonly input: (id: number, bytes: Uint8Array) => Effect.Effect<void>
  readonly closeInput: (id: number) => Effect.Effect<void>
  /** To the process and its group. */
  readonly signal: (id: number, signal: number) => Effect.Effect<void>
  /** What the sandbox uses; CPU and memory only `withProcesses`. None when the agent has gone away. */
  readonly measure: (withProcesses: boolean) => Effect.Effect<Option.Option<Measured>>
}

const nothing = new Uint8Array(0)

const encodeStart = (id: number, request: StartRequest) => {
  const fields = [request.user, request.cwd, request.input ? "1" : "", String(request.argv.length)]
  const payload = Buffer.from([...fields, ...request.argv, ...request.env].join("\0"))
  return Frames.encode(request.kind === "program" ? AgentFrame.start : AgentFrame.file, id, payload)
}

const isRpcCode = Schema.is(RpcCode)

const startRefusal = (payload: Buffer) => {
  const [code, message = ""] = payload.toString().split("\0")
  return new RpcRefused({ code: isRpcCode(code) ? code : "internal", message })
}

const hear = (process: AgentProcess.AgentProcess, type: number, payload: Buffer): void => {
  switch (type) {
    case AgentFrame.started:
      AgentProcess.onStarted(process, payload.readUInt32BE(0))
      break
    case AgentFrame.startFailed:
      AgentProcess.onStartFailed(process, startRefusal(payload))
      break
    case AgentFrame.stdout:
      process.output.publish({ _tag: "Data", channel: "stdout", bytes: payload })
      break
    case AgentFrame.stderr:
      process.output.publish({ _tag: "Data", channel: "stderr", bytes: payload })
      break
    case AgentFrame.exited:
      AgentProcess.onExited(process, payload.readUInt32BE(0))
      break
    case AgentFrame.inputDone:
      process.inputAnswers.unsafeOffer(payload[0] === 0)
  }
}

const silent = (startLimit: number) =>
  new LaunchFailed({ reason: `the agent said nothing for ${startLimit} ms` })

const lost = (message: string) => new RpcRefused({ code: "unavailable", message })

/** What is said of a process that ran when its sandbox ended. */
const lostProcess = Ending.$match({
  Alone: () => lost("the sandbox was killed or reached its end of life"),
  WithLauncher: () => lost("the launcher of this sandbox died under it")
})

/** What is said to who asks for something after the sandbox's end. */
const lostSandbox = Ending.$match({
  Alone: () => lost("the sandbox was killed or reached its end of life"),
  WithLauncher: () => lost(launcherDiedBefore)
})

const isLast = (type: number) => type === AgentFrame.exited || type === AgentFrame.startFailed

const closed = (socket: Net.Socket) =>
  Effect.async<void>((resume) => {
    if (socket.destroyed) resume(Effect.void)
    else socket.once("close", () => resume(Effect.void))
  })

/** Speaks with the agent of a sandbox. It must be ready within `startLimit` milliseconds. */
export const make = (
  { ending, socket }: Pick<Launched, "ending" | "socket">,
  startLimit: number
): Effect.Effect<AgentSession> =>
  Effect.gen(function* () {
    const ready = yield* Deferred.make<void, LaunchFailed | LauncherDied>()
    const processes = new Map<number, AgentProcess.AgentProcess>()
    const measurements = new Map<number, Deferred.Deferred<Option.Option<Measured>>>()
    let lastId = 0
    socket.on(
      "data",
      Frames.decoder((type, id, payload) => {
        if (type === AgentFrame.ready) {
          socket.setTimeout(0)
          return Deferred.unsafeDone(ready, Effect.void)
        }
        const measurement = measurements.get(id)
        if (type === AgentFrame.measured && measurement !== undefined) {
          measurements.delete(id)
          const numbers = payload.toString().split(" ").map(Number)
          Deferred.unsafeDone(measurement, Effect.succeed(Option.some(numbers)))
        }
        const process = processes.get(id)
        if (process === undefined) return
        if (isLast(type)) processes.delete(id)
        hear(process, type, payload)
      })
    )
    socket.setTimeout(startLimit, () => Deferred.unsafeDone(ready, silent(startLimit)))
    let end: Ending | undefined
    const lose = (how: Ending) => {
      end = how
      Deferred.unsafeDone(
        ready,
        Effect.failSync(() => failureOf(how))
      )
      for (const process of processes.values()) AgentProcess.onLost(process, lostProcess(how))
      for (const measurement of measurements.values())
        Deferred.unsafeDone(measurement, Effect.succeed(Option.none()))
      processes.clear()
      measurements.clear()
    }
    // A daemon: the sandbox ends after the scope of who speaks with it has begun to close, and must be told of then.
    yield* Effect.zipRight(closed(socket), ending).pipe(
      Effect.map(lose),
      Effect.interruptible,
      Effect.forkDaemon
    )
    const send = (frame: Buffer): void => {
      if (!socket.destroyed) socket.write(frame)
    }
    /** Without a copy: files come by here, and what they leave behind for the garbage collection adds up. */
    const sendInput = (id: number, bytes: Uint8Array): void => {
      if (socket.destroyed) return
      socket.cork()
      socket.write(Frames.header(AgentFrame.input, id, bytes.length))
      socket.write(bytes)
      socket.uncork()
    }
    const register = Effect.gen(function* () {
      const id = ++lastId
      const process = yield* AgentProcess.make((bytes) =>
        send(Frames.encodeNumber(AgentFrame.credit, id, bytes))
      )
      if (end === undefined) processes.set(id, process)
      else AgentProcess.onLost(process, lostSandbox(end))
      return [id, process] as const
    })
    const measure = (withProcesses: boolean) =>
      Effect.gen(function* () {
        if (end !== undefined) return Option.none()
        const id = ++lastId
        const measurement = yield* Deferred.make<Option.Option<Measured>>()
        measurements.set(id, measurement)
        send(Frames.encode(AgentFrame.measure, id, Buffer.from(withProcesses ? "1" : "")))
        return yield* Deferred.await(measurement)
      })
    return {
      ready: Deferred.await(ready),
      register,
      start: (id, request) => Effect.sync(() => send(encodeStart(id, request))),
      input: (id, bytes) => Effect.sync(() => sendInput(id, bytes)),
      closeInput: (id) => Effect.sync(() => send(Frames.encode(AgentFrame.closeInput, id, nothing))),
      signal: (id, signal) => Effect.sync(() => send(Frames.encodeNumber(AgentFrame.signal, id, signal))),
      measure
    }
  })
