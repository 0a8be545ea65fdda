import type * as Net from "node:net"
import * as Frames from "../Frames.js"

const { AgentFrame } = Frames

/** What a started process, or a file operation, hears from the agent. Called in the order in which it happened. */
export interface Listener {
  readonly onStarted: (pid: number) => void
  readonly onStartFailed: (kind: string, message: string) => void
  readonly onOutput: (channel: "stdout" | "stderr", bytes: Buffer) => void
  /** The wait status: the low seven bits are the signal, the high byte the exit code. */
  readonly onExited: (status: number) => void
  /** The input last sent was taken whole, or cannot be. */
  readonly onInputDone: (taken: boolean) => void
  /** The sandbox is gone. */
  readonly onLost: () => void
}

/** What the agent is told about a process to start. None of the strings may hold a NUL. */
export interface StartRequest {
  readonly kind: "program" | "file"
  readonly user: string
  readonly cwd: string
  readonly input: boolean
  readonly argv: ReadonlyArray<string>
  readonly env: ReadonlyArray<string>
}

/** The line to one sandbox's agent. */
export interface AgentSession {
  /** Calls back when the agent can take requests; at once if it can. */
  readonly onReady: (callback: () => void) => void
  /** Asks for a start; the number names the process in what follows. */
  readonly start: (request: StartRequest, listener: Listener) => number
  readonly input: (id: number, bytes: Uint8Array) => void
  readonly closeInput: (id: number) => void
  /** To the process and its group. */
  readonly signal: (id: number, signal: number) => void
  /** Lets the agent send so many bytes more of the process's output. */
  readonly credit: (id: number, bytes: number) => void
  /** Asks what is used; `withProcesses` asks for CPU and memory too. The numbers come in the agent's order; none: it is gone. */
  readonly measure: (
    withProcesses: boolean,
    onMeasured: (numbers: ReadonlyArray<number> | undefined) => void
  ) => void
}

const encodeStart = (id: number, request: StartRequest) => {
  const fields = [request.user, request.cwd, request.input ? "1" : "", String(request.argv.length)]
  const payload = Buffer.from([...fields, ...request.argv, ...request.env].join("\0"))
  return Frames.encode(request.kind === "program" ? AgentFrame.start : AgentFrame.file, id, payload)
}

const hear = (listener: Listener, type: number, payload: Buffer) => {
  switch (type) {
    case AgentFrame.started:
      return listener.onStarted(payload.readUInt32BE(0))
    case AgentFrame.startFailed: {
      const [kind = "internal", message = ""] = payload.toString().split("\0")
      return listener.onStartFailed(kind, message)
    }
    case AgentFrame.stdout:
      return listener.onOutput("stdout", payload)
    case AgentFrame.stderr:
      return listener.onOutput("stderr", payload)
    case AgentFrame.exited:
      return listener.onExited(payload.readUInt32BE(0))
    case AgentFrame.inputDone:
      return listener.onInputDone(payload[0] === 0)
  }
}

const isLast = (type: number) => type === AgentFrame.exited || type === AgentFrame.startFailed

/** Speaks with the agent at the other end of the socket. */
export const make = (socket: Net.Socket): AgentSession => {
  const listeners = new Map<number, Listener>()
  const measuring = new Map<number, (numbers: ReadonlyArray<number> | undefined) => void>()
  let isReady = false
  let readyCallback = () => {}
  let lastId = 0
  let open = true
  socket.on(
    "data",
    Frames.decoder((type, id, payload) => {
      if (type === AgentFrame.ready) {
        isReady = true
        return readyCallback()
      }
      if (type === AgentFrame.measured) {
        measuring.get(id)?.(payload.toString().split(" ").map(Number))
        measuring.delete(id)
      }
      const listener = listeners.get(id)
      if (listener === undefined) return
      if (isLast(type)) listeners.delete(id)
      hear(listener, type, payload)
    })
  )
  const lose = () => {
    open = false
    for (const listener of listeners.values()) listener.onLost()
    listeners.clear()
    for (const onMeasured of measuring.values()) onMeasured(undefined)
    measuring.clear()
  }
  socket.on("close", lose)
  const send = (frame: Buffer) => {
    if (open) socket.write(frame)
  }
  return {
    onReady: (callback) => {
      if (isReady) callback()
      else readyCallback = callback
    },
    start: (request, listener) => {
      const id = ++lastId
      if (open) listeners.set(id, listener)
      else queueMicrotask(listener.onLost)
      send(encodeStart(id, request))
      return id
    },
    input: (id, bytes) => send(Frames.encode(AgentFrame.input, id, bytes)),
    closeInput: (id) => send(Frames.encode(AgentFrame.closeInput, id, new Uint8Array(0))),
    signal: (id, signal) => send(Frames.encodeNumber(AgentFrame.signal, id, signal)),
    measure: (withProcesses, onMeasured) => {
      const id = ++lastId
      if (!open) return queueMicrotask(() => onMeasured(undefined))
      measuring.set(id, onMeasured)
      send(Frames.encode(AgentFrame.measure, id, Buffer.from(withProcesses ? "1" : "")))
    },
    credit: (id, bytes) => send(Frames.encodeNumber(AgentFrame.credit, id, bytes))
  }
}
