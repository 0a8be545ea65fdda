import type * as Http from "node:http"
import { HttpRouter } from "@effect/platform"
import { Effect, Either, Schema, type Scope } from "effect"
import type { SandboxTable } from "../ControlPlane/SandboxTable.js"
import type { GuestSandbox, Program } from "../Guest/GuestSandbox.js"
import type { Batch, ProcessEvent, Subscriber } from "../Guest/Subscriber.js"
import { RpcRefused } from "../HostErrors.js"
import * as DirectRoutes from "../Http/DirectRoutes.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import type { Isolation } from "../Isolation/Isolation.js"
import * as Timer from "../Timer.js"
import * as ConnectProtocol from "./ConnectProtocol.js"
import * as EnvdRequest from "./EnvdRequest.js"

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
  ...{ 13: "broken pipe", 14: "alarm clock", 15: "terminated", 16: "stack fault" },
  ...{ 24: "CPU time limit exceeded", 25: "file size limit exceeded", 26: "virtual timer expired" },
  ...{ 27: "profiling timer expired", 29: "I/O possible", 30: "power failure", 31: "bad system call" }
}

const endEvent = (status: number) => {
  const signal = status & 0x7f
  const exitCode = status >> 8
  if (signal === 0) {
    const text = `exit status ${exitCode}`
    return { exitCode, exited: true, status: text, ...(exitCode === 0 ? {} : { error: text }) }
  }
  const text = `signal: ${signalNames[signal] ?? `signal ${signal}`}`
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
const numberHeader = (request: Http.IncomingMessage, name: string) => {
  const value = Number(request.headers[name])
  return Number.isFinite(value) && value > 0 ? value : undefined
}

const tooLate = new RpcRefused({ code: "deadline_exceeded", message: "the deadline has passed" })

/** Ends this stream, not the process, when the caller's deadline has passed. */
const giveUp = (request: Http.IncomingMessage, subscriber: Subscriber) => {
  const deadline = numberHeader(request, "connect-timeout-ms")
  if (deadline === undefined) return Effect.void
  const stop = Timer.after(deadline, () => subscriber.fail(tooLate))
  return Effect.addFinalizer(() => Effect.sync(stop))
}

/** Writes a subscriber's events until the last, with keepalives while nothing happens. */
const write = (answer: ConnectProtocol.StreamAnswer, subscriber: Subscriber, interval: number) =>
  Effect.async<void>((resume) => {
    const next = () => subscriber.next(hand)
    const hand = ({ events, outcome }: Batch) => {
      const envelopes = events.map(encode)
      if (outcome === "more") return answer.write(envelopes, next)
      stop()
      answer.end(envelopes, outcome === "complete" ? undefined : outcome)
      resume(Effect.void)
    }
    const stop = Timer.every(interval, () => subscriber.offer({ _tag: "Keepalive" }))
    next()
    return Effect.sync(stop)
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

type Open = (
  guest: GuestSandbox,
  request: Http.IncomingMessage
) => Effect.Effect<Subscriber, RpcRefused | EnvdRequest.EnvdUnauthenticated, Scope.Scope>

const start =
  (users: ReadonlyArray<GuestUser>): Open =>
  (guest, request) =>
    Effect.gen(function* () {
      const user = yield* EnvdRequest.userOf(request.headers, users)
      const asked = yield* readStart(request)
      if (asked.pty !== undefined)
        return yield* new RpcRefused({ code: "unimplemented", message: "this host has no terminals" })
      const { cwd, ...config } = asked.process
      const deadline = numberHeader(request, "connect-timeout-ms")
      const { subscriber } = yield* guest.start({
        ...config,
        ...(cwd === undefined ? {} : { cwd }),
        ...(asked.tag === undefined ? {} : { tag: asked.tag }),
        ...(deadline === undefined ? {} : { deadline }),
        // envd 0.5.2 and later leave standard input closed unless it is asked for.
        ...{ user, stdin: asked.stdin === true }
      })
      return subscriber
    })

const connect: Open = (guest, request) =>
  Effect.gen(function* () {
    const asked = yield* readConnect(request)
    const { process } = yield* select(guest, asked.process)
    const subscriber = yield* process.subscribe
    yield* giveUp(request, subscriber)
    return subscriber
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
    program.process.signal(signal)
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
export const make = (sandboxes: SandboxTable, isolation: Isolation) => {
  const unary = <R>(handle: (guest: GuestSandbox) => Effect.Effect<unknown, RpcRefused, R>) =>
    Effect.flatMap(EnvdRequest.authorizedSandbox(sandboxes), ({ guest }) => handle(guest)).pipe(
      Effect.map(ConnectProtocol.unaryResponse),
      Effect.catchTag("RpcRefused", (error) => Effect.succeed(ConnectProtocol.errorResponse(error))),
      Effect.catchTags(EnvdRequest.answer)
    )
  const router = HttpRouter.empty.pipe(
    HttpRouter.post("/process.Process/List", unary(list)),
    HttpRouter.post("/process.Process/SendInput", unary(sendInput)),
    HttpRouter.post("/process.Process/SendSignal", unary(sendSignal)),
    HttpRouter.post("/process.Process/CloseStdin", unary(closeStdin))
  )
  const streams = new Map<string, DirectRoutes.Handler>([
    ["/process.Process/Start", stream(sandboxes, start(isolation.users))],
    ["/process.Process/Connect", stream(sandboxes, connect)]
  ])
  const find: DirectRoutes.Find = (method, path) => (method === "POST" ? streams.get(path) : undefined)
  return { router, find }
}

/** Answers with all that a subscriber hears, or with the refusal of one. */
const stream =
  (sandboxes: SandboxTable, open: Open): DirectRoutes.Handler =>
  (request, response) =>
    Effect.gen(function* () {
      const record = EnvdRequest.authorize(sandboxes, request.headers)
      if (Either.isLeft(record)) return DirectRoutes.json(response, ...EnvdRequest.describe(record.left))
      const opened = yield* Effect.either(open(record.right.guest, request))
      const answer = new ConnectProtocol.StreamAnswer(response)
      if (Either.isLeft(opened)) return answer.end([], refusalOf(opened.left))
      const seconds = numberHeader(request, "keepalive-ping-interval")
      yield* write(answer, opened.right, seconds === undefined ? DEFAULT_KEEPALIVE : seconds * 1000)
    }).pipe(Effect.scoped)

const refusalOf = (error: RpcRefused | EnvdRequest.EnvdUnauthenticated) =>
  error._tag === "RpcRefused" ? error : new RpcRefused({ code: "unauthenticated", message: error.message })
