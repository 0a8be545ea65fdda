import { Chunk, Effect, Option, Schema } from "effect"
import type { SandboxTable } from "../ControlPlane/SandboxTable.js"
import { type GuestSandbox, type Program, tooLate } from "../Guest/GuestSandbox.js"
import type { ProcessEvent } from "../Guest/ProcessEvent.js"
import type { Subscriber } from "../Guest/Subscriber.js"
import { Variables } from "../Guest/Variables.js"
import { RpcRefused } from "../HostErrors.js"
import type { Pieces } from "../Http/Answer.js"
import type { HttpRequest } from "../Http/HttpRequest.js"
import type { Route } from "../Http/Routes.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as ConnectProtocol from "./ConnectProtocol.js"
import * as ProcessEvents from "./ProcessEvents.js"
import * as RpcRoute from "./RpcRoute.js"

/** Seconds between keepalives where the client does not say: envd's. */
const KEEPALIVE = 90

const ProcessConfig = Schema.Struct({
  cmd: Schema.String,
  args: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] }),
  envs: Schema.optionalWith(Variables, { default: () => ({}) }),
  cwd: Schema.optional(Schema.String)
})
const StartRequest = Schema.Struct({
  process: ProcessConfig,
  stdin: Schema.optional(Schema.Boolean),
  tag: Schema.optional(Schema.String),
  pty: Schema.optional(Schema.Unknown)
})
const Selector = Schema.Struct({ pid: Schema.optional(Schema.Number), tag: Schema.optional(Schema.String) })
const ListRequest = Schema.Struct({})
const ProcessRequest = Schema.Struct({ process: Selector })
const SignalRequest = Schema.Struct({ process: Selector, signal: Schema.Union(Schema.String, Schema.Number) })
const InputRequest = Schema.Struct({
  process: Selector,
  input: Schema.Struct({ stdin: Schema.optional(Schema.Uint8ArrayFromBase64) })
})

/** The signals that clients may send, by envd's names and numbers. */
const signals = new Map<string | number, number>([
  ["SIGNAL_SIGKILL", 9],
  ["SIGNAL_SIGTERM", 15],
  [9, 9],
  [15, 15]
])

const noSuchSignal = new RpcRefused({
  code: "invalid_argument",
  message: "signal must be SIGNAL_SIGKILL or SIGNAL_SIGTERM"
})

const noTerminals = new RpcRefused({ code: "unimplemented", message: "this host has no terminals" })
const notFound = new RpcRefused({ code: "not_found", message: "no such process" })

const DEADLINE = "connect-timeout-ms"

const badDeadline = new RpcRefused({
  code: "invalid_argument",
  message: `${DEADLINE} must be whole milliseconds, with at most 10 digits`
})

/** Milliseconds after which the caller stops waiting. None: 0, or not given. */
const deadlineOf = (request: HttpRequest) =>
  /^\d{0,10}$/.test(request.header(DEADLINE)) ? Effect.succeed(request.numberHeader(DEADLINE)) : badDeadline

/** How the process ended, for the span of the request that started it. */
const noteEnd = (events: Chunk.Chunk<ProcessEvent>) => {
  const end = Chunk.findFirst(events, ({ _tag }) => _tag === "End")
  if (Option.isNone(end) || end.value._tag !== "End") return Effect.void
  const { status } = end.value
  const signal = status & 0x7f
  return Effect.annotateCurrentSpan(
    signal === 0 ? { "process.exit.code": status >> 8 } : { "process.exit.signal": signal }
  )
}

const pieceOf = (subscriber: Subscriber): Pieces =>
  subscriber.next.pipe(
    Effect.tap(([events]) => noteEnd(events)),
    Effect.match({
      onFailure: (refused) => ({ bytes: ConnectProtocol.endWith(refused), isLast: true }),
      onSuccess: ([events, isLast]) => {
        const envelopes = Chunk.toReadonlyArray(events).map(ProcessEvents.encode)
        return { bytes: Buffer.concat(isLast ? [...envelopes, ConnectProtocol.end] : envelopes), isLast }
      }
    })
  )

const secondsBetweenKeepalives = (request: HttpRequest) =>
  Option.getOrElse(request.numberHeader("keepalive-ping-interval"), () => KEEPALIVE)

/** The subscriber's events until the last. */
const follow = (subscriber: Subscriber, request: HttpRequest) =>
  ConnectProtocol.streamAnswer(pieceOf(subscriber), {
    interval: secondsBetweenKeepalives(request) * 1000,
    bytes: ProcessEvents.keepalive
  })

const start = (asked: typeof StartRequest.Type, { guest, request, user }: RpcRoute.Call) =>
  Effect.gen(function* () {
    const runAs = yield* user
    if (asked.pty !== undefined) return yield* noTerminals
    const { cwd, ...config } = asked.process
    const deadline = yield* deadlineOf(request)
    const { subscriber } = yield* guest.start({
      ...config,
      ...(cwd === undefined ? {} : { cwd }),
      ...(asked.tag === undefined ? {} : { tag: asked.tag }),
      ...(Option.isNone(deadline) ? {} : { deadline: deadline.value }),
      user: runAs,
      // envd 0.5.2 and later leave standard input closed unless it is asked for.
      stdin: asked.stdin === true
    })
    return follow(subscriber, request)
  })

const select = (
  guest: GuestSandbox,
  { pid, tag }: typeof Selector.Type
): Effect.Effect<Program, RpcRefused> =>
  Effect.flatMap(guest.programs, (programs) => {
    const program = programs.find((each) =>
      pid === undefined ? tag !== undefined && each.config.tag === tag : each.process.pid === pid
    )
    return program === undefined ? notFound : Effect.succeed(program)
  })

/** At the caller's deadline the stream ends; the process goes on. */
const connect = (asked: typeof ProcessRequest.Type, { guest, request }: RpcRoute.Call) =>
  Effect.gen(function* () {
    const deadline = yield* deadlineOf(request)
    const { process } = yield* select(guest, asked.process)
    const subscriber = yield* process.subscribe
    if (Option.isSome(deadline))
      yield* Effect.forkScoped(
        Effect.delay(
          Effect.sync(() => subscriber.fail(tooLate)),
          deadline.value
        )
      )
    return follow(subscriber, request)
  })

const listed = ({ config, process }: Program) => ({
  config: {
    cmd: config.cmd,
    args: config.args,
    envs: config.envs,
    ...(config.cwd === undefined ? {} : { cwd: config.cwd })
  },
  pid: process.pid,
  ...(config.tag === undefined ? {} : { tag: config.tag })
})

const list = (_: typeof ListRequest.Type, { guest }: RpcRoute.Call) =>
  guest.programs.pipe(
    Effect.flatMap(Effect.filter(({ process }) => process.isRunning)),
    Effect.map((running) => ({ processes: running.map(listed) }))
  )

const sendInput = ({ input, process }: typeof InputRequest.Type, { guest }: RpcRoute.Call) =>
  Effect.gen(function* () {
    const program = yield* select(guest, process)
    if (input.stdin === undefined) return yield* noTerminals
    yield* program.process.sendInput(input.stdin)
    return {}
  })

const sendSignal = (asked: typeof SignalRequest.Type, { guest }: RpcRoute.Call) =>
  Effect.gen(function* () {
    const { process } = yield* select(guest, asked.process)
    const signal = signals.get(asked.signal)
    if (signal === undefined) return yield* noSuchSignal
    // The end of a process can be read for a while after it, but it cannot be killed any more.
    if (!(yield* process.isRunning)) return yield* notFound
    yield* process.signal(signal)
    return {}
  })

const closeStdin = (asked: typeof ProcessRequest.Type, { guest }: RpcRoute.Call) =>
  Effect.gen(function* () {
    const { process } = yield* select(guest, asked.process)
    yield* process.closeInput
    return {}
  })

/** envd's `process.Process`, without terminals. */
export const routes = (sandboxes: SandboxTable, users: ReadonlyArray<GuestUser>): ReadonlyArray<Route> => {
  const rpc = RpcRoute.make(sandboxes, users)
  return [
    rpc.serverStream("/process.Process/Start", StartRequest, start),
    rpc.serverStream("/process.Process/Connect", ProcessRequest, connect),
    rpc.unary("/process.Process/List", ListRequest, list),
    rpc.unary("/process.Process/SendInput", InputRequest, sendInput),
    rpc.unary("/process.Process/SendSignal", SignalRequest, sendSignal),
    rpc.unary("/process.Process/CloseStdin", ProcessRequest, closeStdin),
    rpc.others("process.Process")
  ]
}
