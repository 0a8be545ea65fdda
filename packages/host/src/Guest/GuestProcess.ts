import { Deferred, Effect, Option, type Scope } from "effect"
import type { RpcRefused } from "../HostErrors.js"
import * as AgentProcess from "./AgentProcess.js"
import type { AgentSession, StartRequest } from "./AgentSession.js"
import type { Subscriber } from "./Subscriber.js"

/** Input goes to the agent in pieces of this size, which it holds until the process takes them. */
const INPUT_PIECE = 1024 * 1024

export const SIGKILL = 9

const piecesOf = (bytes: Uint8Array) =>
  Array.from({ length: Math.ceil(bytes.length / INPUT_PIECE) }, (_, index) =>
    bytes.subarray(index * INPUT_PIECE, (index + 1) * INPUT_PIECE)
  )

/** A process in a sandbox: a user's program, or a file operation. */
export interface GuestProcess {
  readonly pid: number
  /** A reader of all events from now on; it leaves with the scope. */
  readonly subscribe: Effect.Effect<Subscriber, never, Scope.Scope>
  /** Writes to standard input; done when the process's pipe has taken all of it. */
  readonly sendInput: (bytes: Uint8Array) => Effect.Effect<void, RpcRefused>
  readonly closeInput: Effect.Effect<void>
  /** To the leader and its process group; nothing happens once the leader has ended. */
  readonly signal: (signal: number) => Effect.Effect<void>
  /** Done when it has ended, or its sandbox has. */
  readonly ended: Effect.Effect<void>
  readonly isRunning: Effect.Effect<boolean>
}

/** A process just started, with a reader that has missed nothing. */
export interface Started {
  readonly process: GuestProcess
  readonly subscriber: Subscriber
}

const inputOf = (session: AgentSession, id: number, { inputAnswers }: AgentProcess.AgentProcess) =>
  Effect.map(Effect.makeSemaphore(1), (turn) => {
    const answer = Effect.catchTag(
      inputAnswers.take,
      "NoSuchElementException",
      () => AgentProcess.inputRefused
    )
    const sendPiece = Effect.fnUntraced(function* (bytes: Uint8Array) {
      // Once there can be no answer, nothing is sent: to wait for one tells why.
      if (Option.isSome(inputAnswers.unsafeSize())) yield* session.input(id, bytes)
      if (!(yield* answer)) return yield* AgentProcess.inputRefused
    })
    const send = (bytes: Uint8Array) => Effect.forEach(piecesOf(bytes), sendPiece, { discard: true })
    // Answers carry no number: even when its caller has gone away, an input keeps its turn until it is answered.
    return (bytes: Uint8Array) => Effect.disconnect(turn.withPermits(1)(Effect.uninterruptible(send(bytes))))
  })

/** Starts a process. Its first reader leaves with the scope; the process goes on. `stallLimit` is in milliseconds. */
export const start = (
  session: AgentSession,
  request: StartRequest,
  stallLimit: number
): Effect.Effect<Started, RpcRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const [id, process] = yield* session.register
    const subscriber = yield* process.output.subscribe
    const sendInput = yield* inputOf(session, id, process)
    const pid = yield* Effect.uninterruptible(
      Effect.zipRight(session.start(id, request), Deferred.await(process.started))
    )
    const watchStalls = Effect.forever(Effect.delay(process.output.dropStalled, stallLimit))
    return {
      process: {
        pid,
        subscribe: Effect.tap(process.output.subscribe, () => Effect.forkScoped(watchStalls)),
        sendInput,
        closeInput: session.closeInput(id),
        signal: (signal) => session.signal(id, signal),
        ended: Deferred.await(process.ended),
        isRunning: Effect.map(Deferred.isDone(process.ended), (ended) => !ended)
      },
      subscriber
    }
  })

/** Ends the process and its group at once. */
export const kill = (process: GuestProcess): Effect.Effect<void> => process.signal(SIGKILL)
