import { HttpRouter, HttpServerRequest } from "@effect/platform"
import { Chunk, Clock, Effect, Schema, type Scope } from "effect"
import * as ConnectProtocol from "./ConnectProtocol.js"
import * as EnvdRequest from "./EnvdRequest.js"
import { RpcRefused } from "./HostErrors.js"
import type { Isolation } from "./Isolation.js"
import type { GuestSandbox, Program } from "./Sandbox/GuestSandbox.js"
import type { ProcessEvent, Subscriber } from "./Sandbox/Subscriber.js"
import type { Sandboxes } from "./Sandboxes.js"

const DEFAULT_KEEPALIVE = 90_000

const Strings = Schema.Record({ key: Schema.String, value: Schema.String })
const ProcessConfig = Schema.Struct({
  cmd: Schema.String,
  args: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] }),
  envs: Schema.optionalWith(Strings, { default: () => ({}) }),
  cwd: Schema.optional(Schema.String)
})
const StartRequest = Schema.Struct({
  process: ProcessConfig,
  stdin: Schema.optional(Schema.Boolean),
  tag: Schema.optional(Schema.String),
  pty: Schema.optional(Schema.Unknown)
})
const Selector = Schema.Struct({ pid: Schema.optional(Schema.Number), tag: Schema.optional(Schema.String) })
const ProcessRequest = Schema.Struct({ process: Selector })
const SignalRequest = Schema.Struct({ process: Selector, signal: Schema.Union(Schema.String, Schema.Number) })
const InputRequest = Schema.Struct({
  process: Selector,
  input: Schema.Struct({ stdin: Schema.optional(Schema.Uint8ArrayFromBase64) })
})

const readStart = ConnectProtocol.streamRequest(StartRequest)
const readConnect = ConnectProtocol.streamRequest(ProcessRequest)
const readProcess = ConnectProtocol.unaryRequest(ProcessRequest)
const readInput = ConnectProtocol.unaryRequest(InputRequest)
const readSignal = ConnectProtocol.unaryRequest(SignalRequest)

const signals: Record<string, number> = { SIGNAL_SIGKILL: 9, SIGNAL_SIGTERM: 15, 9: 9, 15: 15 }

// As Go's os.ProcessState words them, which clients of envd read.
const signalNames: Record<number, string> = {
  ...{ 1: "hangup", 2: "interrupt", 3: "quit", 4: "illegal instruction", 5: "trace/breakpoint trap" },
  ...{ 6: "aborted", 7: "bus error", 8: "floating point exception", 9: "killed" },
  ...{ 10: "user defined signal 1", 11: "segmentation fault", 12: "user defined signal 2" },
  ...{ 13: "broken pipe", 14: "alarm clock", 15: "terminated" }
}

const endEvent = (status: number) => {
  const signal = status & 0x7f
  const exitCode = status >> 8
  if (signal === 0) {
    const text = `exit status ${exitCode}`
    return { exitCode, exited: true, status: text, ...(exitCode === 0 ? {} : { error: text }) }
  }
  const text = `signal: ${signalNames[signal] ?? signal}`
  return { exitCode: -1, exited: false, status: text, error: text }
}

const encode = (event: ProcessEvent): Buffer => {
  switch (event._tag) {
    case "Start":
      return ConnectProtocol.message(`{"event":{"start":{"pid":${event.pid}}}}`)
    case "Data":
      return ConnectProtocol.message(
        `{"event":{"data":{"${event.channel}":"${event.bytes.toString("base64")}"}}}`
      )
    case "Keepalive":
      return ConnectProtocol.message('{"event":{"keepalive":{}}}')
    case "End":
      return ConnectProtocol.message(JSON.stringify({ event: { end: endEvent(event.status) } }))
  }
}

/** A header that holds a number, in the unit that it is in. */
const numberHeader = (name: string) =>
  Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
    const value = Number(request.headers[name])
    return Number.isFinite(value) && value > 0 ? value : undefined
  })

const keepAlive = (subscriber: Subscriber, interval: number) =>
  Effect.forever(
    Effect.zipRight(
      Clock.sleep(interval),
      Effect.sync(() => subscriber.offer({ _tag: "Keepalive" }))
    )
  )

const tooLate = new RpcRefused({ code: "deadline_exceeded", message: "the deadline has passed" })

/** Ends this stream, not the process, when the caller's deadline has passed. */
const giveUp = Effect.fn("EnvdProcess.giveUp")(function* (subscriber: Subscriber) {
  const deadline = yield* numberHeader("connect-timeout-ms")
  if (deadline === undefined) return
  yield* Effect.forkScoped(
    Effect.zipRight(
      Clock.sleep(deadline),
      Effect.sync(() => subscriber.fail(tooLate))
    )
  )
})

/** A subscriber's events as envelopes, with keepalives while nothing happens. */
const follow = Effect.fn("EnvdProcess.follow")(function* (subscriber: Subscriber) {
  const seconds = yield* numberHeader("keepalive-ping-interval")
  const interval = seconds === undefined ? DEFAULT_KEEPALIVE : seconds * 1000
  yield* Effect.forkScoped(keepAlive(subscriber, interval))
  return Effect.map(subscriber.pull, (events) =>
    Chunk.of<Uint8Array>(Buffer.concat(Chunk.toReadonlyArray(events).map(encode)))
  )
})

const notFound = new RpcRefused({ code: "not_found", message: "no such process" })

const select = (guest: GuestSandbox, selector: typeof Selector.Type): Effect.Effect<Program, RpcRefused> => {
  const program =
    selector.pid !== undefined
      ? guest.program(selector.pid)
      : selector.tag === undefined
        ? undefined
        : guest.tagged(selector.tag)
  return program === undefined ? notFound : Effect.succeed(program)
}

type Messages = Effect.Effect<
  ConnectProtocol.Pull,
  RpcRefused | EnvdRequest.EnvdUnauthenticated,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

const start = (guest: GuestSandbox, rootAllowed: boolean): Messages =>
  Effect.gen(function* () {
    const user = yield* EnvdRequest.basicUser(rootAllowed)
    const asked = yield* readStart
    if (asked.pty !== undefined)
      return yield* new RpcRefused({ code: "unimplemented", message: "this host has no terminals" })
    const { cwd, ...config } = asked.process
    const deadline = yield* numberHeader("connect-timeout-ms")
    const { subscriber } = yield* guest.start({
      ...config,
      ...(cwd === undefined ? {} : { cwd }),
      ...(asked.tag === undefined ? {} : { tag: asked.tag }),
      ...(deadline === undefined ? {} : { deadline }),
      // envd 0.5.2 and later leave standard input closed unless it is asked for.
      ...{ user, stdin: asked.stdin === true }
    })
    return yield* follow(subscriber)
  })

const connect = (guest: GuestSandbox): Messages =>
  Effect.gen(function* () {
    const asked = yield* readConnect
    const { process } = yield* select(guest, asked.process)
    const subscriber = yield* process.subscribe
    yield* giveUp(subscriber)
    return yield* follow(subscriber)
  })

const list = (guest: GuestSandbox) =>
  Effect.sync(() => ({
    processes: guest.running().map(({ config, process }) => ({
      config: {
        ...{ cmd: config.cmd, args: config.args, envs: config.envs },
        ...(config.cwd === undefined ? {} : { cwd: config.cwd })
      },
      pid: process.pid,
      ...(config.tag === undefined ? {} : { tag: config.tag })
    }))
  }))

const sendInput = (guest: GuestSandbox) =>
  Effect.gen(function* () {
    const { input, process } = yield* readInput
    const program = yield* select(guest, process)
    if (input.stdin === undefined)
      return yield* new RpcRefused({ code: "unimplemented", message: "this host has no terminals" })
    yield* program.process.sendInput(input.stdin)
    return {}
  })

const sendSignal = (guest: GuestSandbox) =>
  Effect.gen(function* () {
    const asked = yield* readSignal
    const program = yield* select(guest, asked.process)
    const signal = signals[asked.signal]
    if (signal === undefined)
      return yield* new RpcRefused({ code: "invalid_argument", message: `invalid signal: ${asked.signal}` })
    // Ended but remembered: to whoever wants to kill it, it is not there any more.
    if (program.process.endedAt() !== undefined) return yield* notFound
    yield* program.process.signal(signal)
    return {}
  })

const closeStdin = (guest: GuestSandbox) =>
  Effect.gen(function* () {
    const asked = yield* readProcess
    const program = yield* select(guest, asked.process)
    yield* program.process.closeInput
    return {}
  })

/** envd's `process.Process`. */
export const make = (sandboxes: Sandboxes, isolation: Isolation) => {
  const rootAllowed = isolation.mode === "two"
  const unary = <R>(handle: (guest: GuestSandbox) => Effect.Effect<unknown, RpcRefused, R>) =>
    Effect.flatMap(EnvdRequest.authorizedSandbox(sandboxes), ({ guest }) => handle(guest)).pipe(
      Effect.map(ConnectProtocol.unaryResponse),
      Effect.catchTag("RpcRefused", (error) => Effect.succeed(ConnectProtocol.errorResponse(error))),
      Effect.catchTags(EnvdRequest.answer)
    )
  const stream = (handle: (guest: GuestSandbox) => Messages) =>
    Effect.flatMap(EnvdRequest.authorizedSandbox(sandboxes), ({ guest }) =>
      ConnectProtocol.streamResponse(Effect.catchTag(handle(guest), "EnvdUnauthenticated", inBand))
    ).pipe(Effect.catchTags(EnvdRequest.answer))
  return HttpRouter.empty.pipe(
    HttpRouter.post(
      "/process.Process/Start",
      stream((guest) => start(guest, rootAllowed))
    ),
    HttpRouter.post("/process.Process/Connect", stream(connect)),
    HttpRouter.post("/process.Process/List", unary(list)),
    HttpRouter.post("/process.Process/SendInput", unary(sendInput)),
    HttpRouter.post("/process.Process/SendSignal", unary(sendSignal)),
    HttpRouter.post("/process.Process/CloseStdin", unary(closeStdin))
  )
}

const inBand = (error: EnvdRequest.EnvdUnauthenticated) =>
  new RpcRefused({ code: "unauthenticated", message: error.message })
