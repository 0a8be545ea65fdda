import { Clock, Deferred, Effect, Fiber, FiberId, type Scope } from "effect"
import * as Held from "../Held.js"
import { RpcRefused } from "../HostErrors.js"
import type { AgentSession, Listener, StartRequest } from "./AgentSession.js"
import { type ProcessEvent, Subscriber } from "./Subscriber.js"

/** Credit is given back in pieces of this size, so that small outputs cost no frames. */
const CREDIT_PIECE = 256 * 1024

/** Input goes to the agent in pieces of this size, which it holds until the process takes them. */
const INPUT_PIECE = 1024 * 1024

export const SIGKILL = 9

const piecesOf = (bytes: Uint8Array) =>
  Array.from({ length: Math.ceil(bytes.length / INPUT_PIECE) }, (_, index) =>
    bytes.subarray(index * INPUT_PIECE, (index + 1) * INPUT_PIECE)
  )

const lost = () =>
  new RpcRefused({ code: "unavailable", message: "the sandbox was killed or reached its end of life" })

/** A process in a sandbox: a user's program, or a file operation. */
export interface GuestProcess {
  readonly pid: number
  /** A reader of all events from now on; its place is given up with the scope. */
  readonly subscribe: Effect.Effect<Subscriber, never, Scope.Scope>
  /** Writes to standard input; done when the process's pipe has taken all of it. */
  readonly sendInput: (bytes: Uint8Array) => Effect.Effect<void, RpcRefused>
  readonly closeInput: Effect.Effect<void>
  /** To the leader and its process group; nothing once the leader has ended. */
  readonly signal: (signal: number) => void
  /** When it ended, in the Clock's milliseconds. */
  readonly endedAt: () => number | undefined
  /** Calls back once when it ends; at once if it has. */
  readonly onEnd: (callback: () => void) => void
}

/** A process just started, with the reader that missed nothing. */
export interface Started {
  readonly process: GuestProcess
  readonly subscriber: Subscriber
}

/** Hands every event to every subscriber, and lets the agent send on once all have taken what they were given. */
class Fanout {
  private readonly subscribers = new Map<Subscriber, number>()
  private sent = 0
  private credited = 0
  private readonly onCredit: (bytes: number) => void

  constructor(onCredit: (bytes: number) => void) {
    this.onCredit = onCredit
  }

  add(): Subscriber {
    const subscriber: Subscriber = new Subscriber((bytes) => {
      this.subscribers.set(subscriber, (this.subscribers.get(subscriber) ?? 0) + bytes)
      this.giveCredit()
    })
    this.subscribers.set(subscriber, this.sent)
    return subscriber
  }

  remove(subscriber: Subscriber): void {
    subscriber.leave()
    this.subscribers.delete(subscriber)
    this.giveCredit()
  }

  offer(event: ProcessEvent): void {
    if (event._tag === "Data") this.sent += event.bytes.length
    for (const subscriber of this.subscribers.keys()) subscriber.offer(event)
    if (this.subscribers.size === 0) this.giveCredit()
  }

  fail(error: RpcRefused): void {
    for (const subscriber of this.subscribers.keys()) subscriber.fail(error)
  }

  /** Cuts off who has taken nothing since the last look while others wait. */
  dropStalled(): void {
    const all = [...this.subscribers.keys()]
    if (all.length < 2 || all.every((subscriber) => subscriber.hasBacklog)) return
    for (const subscriber of all) {
      if (subscriber.stalled && subscriber.hasBacklog) {
        subscriber.fail(new RpcRefused({ code: "resource_exhausted", message: "the reader is too slow" }))
        this.remove(subscriber)
      } else subscriber.stalled = subscriber.hasBacklog
    }
  }

  private giveCredit(): void {
    const taken = this.subscribers.size === 0 ? this.sent : Math.min(...this.subscribers.values())
    if (taken - this.credited < CREDIT_PIECE) return
    this.onCredit(taken - this.credited)
    this.credited = taken
  }
}

/** Starts a process. Its first reader is there before it is, and leaves with the scope; the process does not. */
export const start = (
  session: AgentSession,
  request: StartRequest,
  stallLimit: number
): Effect.Effect<Started, RpcRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const inputTurn = Effect.unsafeMakeSemaphore(1)
    let pending: Deferred.Deferred<void, RpcRefused> | undefined
    let endedAt: number | undefined
    let last: ProcessEvent | RpcRefused | undefined
    let callbacks: Array<() => void> = []
    const settleInput = (outcome: Effect.Effect<void, RpcRefused>) => {
      if (pending !== undefined) Deferred.unsafeDone(pending, outcome)
      pending = undefined
    }
    const end = (outcome: ProcessEvent | RpcRefused) => {
      endedAt = clock.unsafeCurrentTimeMillis()
      last = outcome
      settleInput(Effect.fail(inputRefused))
      if (outcome._tag === "RpcRefused") fanout.fail(outcome)
      else fanout.offer(outcome)
      for (const callback of callbacks) callback()
      callbacks = []
    }
    const fanout = new Fanout((bytes) => session.credit(id, bytes))
    const leave = (subscriber: Subscriber) => Effect.sync(() => fanout.remove(subscriber))
    const first = yield* Held.acquireRelease(
      Effect.sync(() => fanout.add()),
      leave
    )
    let id = 0
    const pid = yield* Effect.async<number, RpcRefused>((resume) => {
      const listener: Listener = {
        onStarted: (guestPid) => {
          fanout.offer({ _tag: "Start", pid: guestPid })
          resume(Effect.succeed(guestPid))
        },
        onStartFailed: (kind, message) =>
          resume(Effect.fail(new RpcRefused({ code: kind as RpcRefused["code"], message }))),
        onOutput: (channel, bytes) => fanout.offer({ _tag: "Data", channel, bytes }),
        onExited: (status) => end({ _tag: "End", status }),
        onInputDone: (taken) => settleInput(taken ? Effect.void : Effect.fail(inputRefused)),
        onLost: () => {
          end(lost())
          resume(Effect.fail(lost()))
        }
      }
      id = session.start(request, listener)
    }).pipe(Effect.uninterruptible)

    const subscribe = Held.acquireRelease(
      Effect.sync(() => {
        const subscriber = fanout.add()
        subscriber.offer({ _tag: "Start", pid })
        if (last !== undefined) {
          if (last._tag === "RpcRefused") subscriber.fail(last)
          else subscriber.offer(last)
        }
        return subscriber
      }),
      leave
    ).pipe(Effect.tap(() => Effect.forkScoped(watchStalls)))
    const watchStalls = Effect.forever(
      Effect.zipRight(
        Clock.sleep(stallLimit),
        Effect.sync(() => fanout.dropStalled())
      )
    )
    const sendPiece = (bytes: Uint8Array) =>
      Effect.suspend(() => {
        if (endedAt !== undefined) return Effect.fail(inputRefused)
        pending = Deferred.unsafeMake<void, RpcRefused>(FiberId.none)
        session.input(id, bytes)
        return Deferred.await(pending)
      })
    const sendNow = (bytes: Uint8Array) => Effect.forEach(piecesOf(bytes), sendPiece, { discard: true })
    // A caller that goes away must not let the next input overtake: the turn lasts until the agent has answered.
    const sendInput = (bytes: Uint8Array) =>
      Effect.flatMap(Effect.forkDaemon(inputTurn.withPermits(1)(sendNow(bytes))), Fiber.join)
    const process: GuestProcess = {
      pid,
      subscribe,
      sendInput,
      closeInput: Effect.sync(() => session.closeInput(id)),
      signal: (signal) => session.signal(id, signal),
      endedAt: () => endedAt,
      onEnd: (callback) => {
        if (endedAt === undefined) callbacks.push(callback)
        else callback()
      }
    }
    return { process, subscriber: first }
  })

const inputRefused = new RpcRefused({
  code: "failed_precondition",
  message: "the process does not take input"
})

/** Ends the process and its group at once. */
export const kill = (process: GuestProcess) => Effect.sync(() => process.signal(SIGKILL))
